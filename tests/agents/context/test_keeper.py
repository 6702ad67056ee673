"""A conversation is kept within its window, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg
from hypothesis import given, settings
from hypothesis import strategies as st

from copaw.agents.context.keeper import COMPRESSED, ContextKeeper, Entry
from copaw.agents.context.settings import ContextSettings, ToolResultSettings
from copaw.agents.context.summary import Summariser
from copaw.agents.context.tokens import TokenMeter, size_bytes
from copaw.errors import ModelError
from copaw.ports import Json
from copaw.providers.answer import Heard, Piece, Usage
from copaw.providers.chat_model import ChatModel

SMALL = ContextSettings(window=1000, threshold=750, reserve=100, keep_recent=3)
SUMMARY_BYTES = 400


class NotesModel(ChatModel):
    """Answers ``notes`` to everything, keeps what it was asked, or fails, or never answers."""

    def __init__(self, notes: str = "the notes", *, error: Exception | None = None, hang: bool = False) -> None:
        super().__init__("notes")
        self.notes = notes
        self.error = error
        self.hang = hang
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        self.asked.append(messages[-1]["content"][0]["text"])
        self.was_asked.set()
        if self.hang:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        yield [Piece(0, "text", self.notes), Usage(7, 3)]


class MemoryRecords:
    """Keeps everything in lists."""

    def __init__(self, error: OSError | None = None) -> None:
        self.results: list[str] = []
        self.messages: list[Msg] = []
        self.summaries: list[str] = []
        self.told: list[str] = []
        self.error = error

    async def keep_result(self, text: str) -> str:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.results.append(text)
        return f"tool_results/{len(self.results)}.txt"

    async def keep_messages(self, entries: Sequence[Entry], summary: str) -> str:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.messages += [msg for msg, _ in entries]
        self.summaries.append(summary)
        return f"dialog/u_s/{len(self.summaries)}.json"

    def report(self, text: str) -> None:
        self.told.append(text)


class Conversation:
    """A memory with its keeper."""

    def __init__(
        self, *msgs: Msg, model: NotesModel | None = None, given: ContextSettings = SMALL, error: OSError | None = None
    ) -> None:
        self.model = model or NotesModel()
        self.records = MemoryRecords(error)
        self.usage: list[Json] = []
        self.memory = InMemoryMemory()
        self.memory.content = [(msg, []) for msg in msgs]
        self.meter = TokenMeter(given.divisor)
        summariser = Summariser(self.model, OpenAIChatFormatter(), SUMMARY_BYTES, self.usage.append)
        self.keeper = ContextKeeper(given, self.meter, summariser, self.records)

    async def fit(self, sys_prompt: str = "be good") -> None:
        await self.keeper.fit(self.memory, sys_prompt, [])

    @property
    def ids(self) -> list[str]:
        return [msg.id for msg, _ in self.memory.content]

    @property
    def tokens(self) -> int:
        return sum(self.meter.message(msg.content) for msg, _ in self.memory.content) + self.meter.text(self.summary)

    @property
    def summary(self) -> str:
        return self.memory._compressed_summary


def user(text: str) -> Msg:
    return Msg("user", text, "user")


def tool(number: int, output: str) -> list[Msg]:
    call = {"type": "tool_use", "id": f"c{number}", "name": "shell", "input": {"command": "ls"}}
    result = {"type": "tool_result", "id": f"c{number}", "name": "shell", "output": [{"type": "text", "text": output}]}
    return [Msg("a", [call], "assistant"), Msg("system", [result], "system")]


def turns(count: int, size: int = 200) -> list[Msg]:
    return [user(f"{number} " + "x" * size) for number in range(count)]


async def test_a_conversation_that_fits_is_left_alone() -> None:
    talk = Conversation(*turns(5))
    before = talk.memory.content[:]
    await talk.fit()
    assert talk.memory.content == before
    assert talk.model.asked == []
    assert talk.summary == ""


async def test_older_messages_become_a_summary_and_the_newest_stay() -> None:
    said = turns(20)
    talk = Conversation(*said)
    await talk.fit()
    assert talk.ids == [msg.id for msg in said[-3:]]
    assert talk.summary.splitlines() == [
        "[Notes on the earlier part of this conversation; its messages are kept in dialog/u_s]",
        "the notes",
        "[End of the notes; the conversation goes on]",
    ]
    assert [msg.id for msg in talk.records.messages] == [msg.id for msg in said[:-3]]
    assert "| user: 0 xx" in talk.model.asked[0]
    assert talk.usage[0] == {"input_tokens": 7, "output_tokens": 3}
    assert talk.records.told == []


async def test_a_turn_of_many_steps_keeps_the_message_it_is_about() -> None:
    request = user("please do it all")
    talk = Conversation(user("long ago"), request)
    for number in range(30):
        talk.memory.content += [(msg, []) for msg in tool(number, "r" * 300)]
        await talk.fit()
    assert len(talk.records.summaries) > 1
    assert talk.ids[0] == request.id
    assert talk.ids.count(request.id) == 1
    blocks = [block for msg, _ in talk.memory.content[1:] for block in msg.content]
    assert [block["type"] for block in blocks] == ["tool_use", "tool_result"] * (len(blocks) // 2)
    assert talk.tokens < SMALL.threshold
    talk.memory.content += [(msg, []) for msg in turns(20)]
    await talk.fit()
    assert request.id not in talk.ids


async def test_a_long_message_is_only_in_the_notes() -> None:
    request = user("u" * 1000)
    talk = Conversation(request, *(msg for number in range(9) for msg in tool(number, "r" * 300)))
    await talk.fit()
    assert request.id not in talk.ids


async def test_the_next_summary_is_made_from_the_one_before() -> None:
    talk = Conversation(*turns(20))
    await talk.fit()
    talk.memory.content += [(msg, []) for msg in turns(20)]
    talk.model.notes = "newer notes"
    before = len(talk.model.asked)
    await talk.fit()
    assert "Notes so far:\nthe notes\n" in talk.model.asked[before]
    assert talk.summary.splitlines()[1:-1] == ["newer notes"]
    assert [summary.splitlines()[1:-1] for summary in talk.records.summaries] == [[], ["the notes"]]


async def test_a_summary_of_another_program_is_taken_as_it_is() -> None:
    talk = Conversation(*turns(20))
    talk.memory._compressed_summary = "<x>\nwhat was before</x>"
    await talk.fit()
    assert "Notes so far:\n<x>\nwhat was before</x>\n" in talk.model.asked[0]


async def test_the_system_prompt_and_the_tools_count() -> None:
    talk = Conversation(*turns(5))
    await talk.keeper.fit(talk.memory, "p" * 2000, [{"description": "d" * 400}])
    assert talk.model.asked != []


async def test_a_model_that_counts_more_is_given_less() -> None:
    talk = Conversation(*turns(10))
    await talk.fit()
    assert talk.model.asked == []
    talk.keeper.learn(2 * talk.tokens)
    await talk.fit()
    assert talk.model.asked != []
    assert 2 * talk.tokens < SMALL.threshold
    done = await talk.keeper.compact(talk.memory)
    assert done.tokens_after == pytest.approx(2 * talk.tokens, abs=20)


async def test_what_does_not_fit_one_call_is_summarised_in_several() -> None:
    talk = Conversation(*turns(60))
    await talk.fit()
    assert len(talk.model.asked) > 3
    assert all(size_bytes(asked) < 1000 * 4 for asked in talk.model.asked)
    assert "\n".join(talk.model.asked).count("| user: ") == 57


async def test_a_summary_is_not_longer_than_its_share() -> None:
    talk = Conversation(*turns(20), model=NotesModel("blah " * 5000))
    await talk.fit()
    assert size_bytes(talk.summary) < SUMMARY_BYTES + 150


@pytest.mark.parametrize("error", [ModelError("no model today"), ValueError("odd")])
async def test_without_a_summary_the_conversation_is_cut_and_says_so(error: Exception) -> None:
    said = turns(20)
    talk = Conversation(*said, model=NotesModel(error=error))
    await talk.fit()
    assert talk.ids == [msg.id for msg in said[-3:]]
    assert "[17 messages are not in these notes.]" in talk.summary
    assert "16 xxx" in talk.summary
    assert str(error) in talk.records.told[0]
    assert [msg.id for msg in talk.records.messages] == [msg.id for msg in said[:-3]]
    for _ in range(20):
        talk.memory.content += [(msg, []) for msg in turns(20)]
        await talk.fit()
    assert size_bytes(talk.summary) < SUMMARY_BYTES + 150


async def test_an_empty_summary_is_none() -> None:
    talk = Conversation(*turns(20), model=NotesModel("  "))
    await talk.fit()
    assert "gave no summary" in talk.records.told[0]


async def test_a_cancellation_leaves_the_conversation_as_it_was() -> None:
    said = turns(20)
    talk = Conversation(*said, model=NotesModel(hang=True))
    work = asyncio.create_task(talk.fit())
    await talk.model.was_asked.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert talk.ids == [msg.id for msg in said]
    assert talk.summary == ""
    assert talk.records.messages == []


async def test_what_cannot_be_kept_elsewhere_stays() -> None:
    said = [*tool(1, "y" * 300_000), *turns(20)]
    talk = Conversation(*said, error=OSError("the disk is full"))
    await talk.fit()
    assert talk.ids == [msg.id for msg in said]
    await talk.fit()
    (told,) = talk.records.told
    assert "the disk is full" in told


async def test_switched_off_nothing_is_summarised() -> None:
    talk = Conversation(*turns(20), given=replace(SMALL, enabled=False))
    await talk.fit()
    assert len(talk.ids) == 20


async def test_messages_that_a_summary_of_1_0_2_stands_for_are_not_counted_and_not_told_again() -> None:
    talk = Conversation(*turns(20))
    talk.memory.content = [(msg, [COMPRESSED]) for msg, _ in talk.memory.content]
    await talk.fit()
    assert talk.model.asked == []
    await talk.keeper.compact(talk.memory)
    assert "| user" not in "".join(talk.model.asked)


# -- now -----------------------------------------------------------------------------------------------------------


async def test_compacting_now_summarises_everything() -> None:
    said = turns(3)
    talk = Conversation(*said)
    done = await talk.keeper.compact(talk.memory, "mind the numbers")
    assert (done.messages, done.kept_in) == (3, "dialog/u_s/1.json")
    assert done.tokens_before > done.tokens_after == talk.tokens > 0
    assert talk.ids == []
    assert "The user adds:\nmind the numbers\n" in talk.model.asked[0]
    again = await talk.keeper.compact(talk.memory)
    assert (again.messages, again.kept_in) == (0, "")
    assert len(talk.model.asked) == 1


async def test_compacting_now_fails_as_a_whole() -> None:
    said = turns(3)
    talk = Conversation(*said, model=NotesModel(error=ModelError("no model today")))
    with pytest.raises(ModelError):
        await talk.keeper.compact(talk.memory)
    assert talk.ids == [msg.id for msg in said]
    assert talk.records.messages == []


# -- tool results --------------------------------------------------------------------------------------------------

TOOLS = replace(SMALL, window=10**6, threshold=10**6, tool_results=ToolResultSettings(True, 2, 2000, 300))


def outputs(talk: Conversation) -> list[str]:
    blocks = [block for msg, _ in talk.memory.content for block in msg.get_content_blocks("tool_result")]
    return [block["output"][0]["text"] for block in blocks]


async def test_recent_results_keep_more_than_old_ones() -> None:
    talk = Conversation(
        *tool(1, "a" * 1000), *tool(2, "b" * 1000), *tool(3, "c" * 5000), *tool(4, "d" * 100), given=TOOLS
    )
    await talk.fit()
    assert [size_bytes(text) for text in outputs(talk)] == [300, 300, 2000, 100]
    assert talk.records.results == ["c" * 5000, "b" * 1000, "a" * 1000]
    assert "it had 1000 bytes; the whole text is in tool_results/3.txt" in outputs(talk)[0]


async def test_a_result_that_has_become_old_is_shortened_again_from_the_same_whole() -> None:
    talk = Conversation(*tool(1, "a" * 5000), given=TOOLS)
    await talk.fit()
    assert [size_bytes(text) for text in outputs(talk)] == [2000]
    talk.memory.content += [(msg, []) for number in (2, 3) for msg in tool(number, "short")]
    await talk.fit()
    assert [size_bytes(text) for text in outputs(talk)] == [300, 5, 5]
    assert "it had 5000 bytes; the whole text is in tool_results/1.txt" in outputs(talk)[0]
    assert outputs(talk)[0].count("shortened") == 1
    assert talk.records.results == ["a" * 5000]


async def test_shortening_again_changes_nothing() -> None:
    talk = Conversation(*tool(1, "a" * 9000), *tool(2, "b" * 9000), *tool(3, "c" * 9000), given=TOOLS)
    await talk.fit()
    before = talk.memory.content[:]
    await talk.fit()
    assert all(new is old for (new, _), (old, _) in zip(talk.memory.content, before, strict=True))
    assert len(talk.records.results) == 3


async def test_switched_off_results_stay_whole() -> None:
    talk = Conversation(*tool(1, "a" * 9000), given=replace(TOOLS, tool_results=ToolResultSettings(False)))
    await talk.fit()
    assert outputs(talk) == ["a" * 9000]


odd = st.none() | st.integers() | st.text(max_size=50) | st.lists(st.text() | st.dictionaries(st.text(), st.text()))
kinds = st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image", "unknown"])
fields = st.sampled_from(["text", "thinking", "id", "name", "input", "output"])
odd_blocks = st.builds(lambda kind, rest: {**rest, "type": kind}, kinds, st.dictionaries(fields, odd))


@settings(deadline=None)
@given(st.lists(odd_blocks))
def test_blocks_that_nobody_would_write_do_no_harm(blocks: list[Json]) -> None:
    given_ = replace(SMALL, tool_results=TOOLS.tool_results)
    talk = Conversation(Msg("a", blocks, "assistant"), *turns(20), given=given_)
    asyncio.run(talk.fit())
    assert len(talk.ids) < 21


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=40))
def test_any_conversation_fits_afterwards_and_has_its_pairs(script: list[tuple[bool, int]]) -> None:
    said = [msg for number, (is_tool, size) in enumerate(script)
            for msg in (tool(number, "r" * size) if is_tool else [user("u" * size)])]  # fmt: skip
    given_ = replace(
        SMALL, window=4000, threshold=3000, reserve=400, tool_results=ToolResultSettings(True, 2, 2000, 300)
    )
    talk = Conversation(*said, given=given_)

    async def fit_twice() -> None:
        await talk.fit()
        kept = talk.ids
        await talk.fit()
        assert talk.ids == kept

    asyncio.run(fit_twice())
    assert talk.tokens < 3000
    blocks = [block for msg, _ in talk.memory.content if not isinstance(msg.content, str) for block in msg.content]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert calls == [block["id"] for block in blocks if block["type"] == "tool_result"]
    assert {*talk.ids} | {msg.id for msg in talk.records.messages} == {msg.id for msg in said}
