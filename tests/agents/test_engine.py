from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg

from copaw.agents.engine import CopawAgent
from copaw.agents.factory import schema
from copaw.agents.local_files import LocalFiles
from copaw.agents.media import MediaSettings, MediaView
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.errors import EndReason, ModelError
from copaw.ports import Json, ToolContext, ToolResult
from copaw.providers.answer import Heard, Piece, Usage
from copaw.providers.chat_model import ChatModel
from copaw.providers.demo import DemoChatModel
from copaw.providers.openai_format import OpenAIFormatter


class Scripted(ChatModel):
    """Says what it is told, one list of pieces a call; ``None`` waits for ever, an error is raised."""

    def __init__(self, *answers: list[Any]) -> None:
        super().__init__("scripted")
        self.answers = [*answers]
        self.asked: list[tuple[list[Json], list[Json] | None]] = []
        self.waiting = asyncio.Event()

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        self.asked.append((messages, tools))
        for item in self.answers.pop(0):
            match item:
                case None:
                    self.waiting.set()
                    await asyncio.Event().wait()
                case Exception():
                    raise item
                case _:
                    yield [item]


class Echo:
    name = "echo"
    description = "says it again"
    parameters: ClassVar[Json] = {"type": "object"}

    async def __call__(self, context: ToolContext, arguments: Any) -> ToolResult:
        return ToolResult.text(arguments["text"])


class Deaf:
    """A tool that is told to stop and answers as if nothing had happened."""

    name = "deaf"
    description = "Waits, and does not hear."
    parameters: ClassVar[Json] = {"type": "object", "properties": {}}

    def __init__(self) -> None:
        self.calls = 0
        self.waits = asyncio.Event()

    async def __call__(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        self.calls += 1
        self.waits.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return ToolResult.text("done")
        raise AssertionError


class Roomy:
    """Keeps the context of a model whose window is never full."""

    def __init__(self) -> None:
        self.learned: list[int] = []

    async def fit(self, *_: Any) -> None: ...

    def learn(self, input_tokens: int) -> None:
        self.learned.append(input_tokens)


class Stage:
    def __init__(self, model: ChatModel, *tools: Any, max_iters: int = 5) -> None:
        self.events: list[Json] = []
        self.memory = InMemoryMemory()
        self.saves = 0
        self.end_reason: str | None = None
        self.keeper: Any = Roomy()
        offered = tools or (Echo(),)

        async def save() -> None:
            self.saves += 1

        self.agent = CopawAgent(
            name="Bot",
            sys_prompt="Be brief.",
            model=model,
            formatter=OpenAIFormatter(),
            memory=self.memory,
            tools={tool.name: tool for tool in offered},
            schemas=[schema(tool) for tool in offered],
            origin=lambda name: None,
            context=ToolContext("a", Path()),
            speaker=ResponseSpeaker(ResponseStream(self.events.append, "r", "s", 0)),
            media=MediaView(MediaSettings(LocalFiles(()))),
            keeper=self.keeper,
            save=save,
            end_reason=lambda: self.end_reason,
            max_iters=max_iters,
        )

    async def run(self, text: str = "hi") -> None:
        await self.agent([Msg("user", text, "user")])

    def kept(self) -> list[Any]:
        return [msg.content for msg, _ in self.memory.content[1:]]


def call(number: int) -> Piece:
    return Piece(0, "tool_use", '{"text": "yes"}', f"c{number}", "echo")


async def test_an_answer_is_heard_and_kept() -> None:
    stage = Stage(Scripted([Piece(0, "text", "He"), Piece(0, "text", "llo"), Usage(3, 2)]))
    await stage.run()
    assert stage.kept() == [[{"type": "text", "text": "Hello"}]]
    assert [e["text"] for e in stage.events if e["object"] == "content"] == ["He", "llo", "Hello"]
    assert stage.saves == 1
    assert stage.keeper.learned == [3]


async def test_a_tool_is_called_and_its_result_told_to_the_model() -> None:
    model = Scripted([call(1)], [Piece(0, "text", "done")])
    stage = Stage(model)
    await stage.run()
    use, result, answer = stage.kept()
    assert use[0]["input"] == {"text": "yes"}
    assert result[0]["output"] == [{"type": "text", "text": "yes"}]
    assert answer == [{"type": "text", "text": "done"}]
    assert [message["role"] for message in model.asked[1][0]] == ["system", "user", "assistant", "tool"]


async def test_a_call_that_was_cut_is_not_made() -> None:
    cut = Piece(0, "tool_use", '{"text": "rm -rf /tmp/', "c1", "echo", {"cut": True})
    stage = Stage(Scripted([cut], [Piece(0, "text", "sorry")]))
    await stage.run()
    assert "This call was not made" in stage.kept()[1][0]["output"][0]["text"]


async def test_at_the_last_step_the_model_sums_up_without_tools() -> None:
    model = Scripted([call(1)], [call(2)], [Piece(0, "text", "so far")])
    stage = Stage(model, max_iters=2)
    await stage.run()
    assert stage.kept()[-1] == [{"type": "text", "text": "so far"}]
    messages, tools = model.asked[-1]
    assert tools is None
    assert "used up" in str(messages[-1]["content"])
    assert not any("used up" in str(content) for content in stage.kept()), "the hint is no part of the conversation"


async def test_a_cancelled_answer_is_kept_with_a_note() -> None:
    model = Scripted([Piece(0, "text", "I was"), call(1)._replace(slot=1), None])
    stage = Stage(model)
    task = asyncio.create_task(stage.run())
    await model.waiting.wait()
    stage.end_reason = "user_stop"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.kept() == [[{"type": "text", "text": "I was"}, {"type": "text", "text": "[Stopped by the user.]"}]]


async def test_a_failure_reaches_the_run() -> None:
    stage = Stage(Scripted([Piece(0, "text", "I"), ModelError("broke off")]))
    with pytest.raises(ModelError, match="broke off"):
        await stage.run()
    assert stage.kept() == []


@pytest.mark.parametrize("text", ["call deaf {}\nsay went on", "call deaf {}\ncall deaf {}\nsay went on"])
async def test_a_run_whose_cancellation_was_lost_takes_no_further_step(text: str) -> None:
    deaf = Deaf()
    stage = Stage(DemoChatModel(), deaf)
    turn = asyncio.create_task(stage.run(text))
    await asyncio.wait_for(deaf.waits.wait(), 10)
    stage.end_reason = EndReason.SERVER_SHUTDOWN
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(turn), 10)
    assert deaf.calls == 1
    assert "went on" not in str(stage.kept())
