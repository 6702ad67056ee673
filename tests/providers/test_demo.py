from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from agentscope.formatter import OpenAIChatFormatter
from agentscope.message import Msg, ToolResultBlock
from agentscope.model import ChatResponse

from copaw.providers.demo import DemoChatModel

SHELL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object", "properties": {}}}}


async def ask(history: list[Msg]) -> list[ChatResponse]:
    messages = await OpenAIChatFormatter().format(history)
    answer = await DemoChatModel()(messages, tools=[SHELL])
    return [chunk async for chunk in answer]


def user(text: str) -> Msg:
    return Msg("user", text, "user")


def text_of(chunk: ChatResponse) -> str:
    return "".join(block["text"] for block in chunk.content if block["type"] == "text")


async def test_it_says_what_it_is_repeats_the_message_and_tells_the_way_out() -> None:
    chunks = await ask([Msg("system", "you are helpful", "system"), user("[Agent bob requesting] how are you?")])
    final = text_of(chunks[-1])
    assert "offline demo model" in final
    assert "no intelligence" in final
    assert "You said: how are you?" in final
    assert "copaw models config-key" in final
    assert "copaw models set-llm" in final


async def test_chunks_grow_share_an_id_and_carry_usage() -> None:
    chunks = await ask([user("hello there")])
    texts = [text_of(chunk) for chunk in chunks][:-1]
    assert len(texts) > 5
    assert all(later.startswith(earlier) and later != earlier for earlier, later in pairwise(texts))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.input_tokens == 2


async def test_the_same_message_gets_the_same_answer() -> None:
    assert [text_of(c) for c in await ask([user("x")])] == [text_of(c) for c in await ask([user("x")])]


async def test_tools_are_called_one_after_another_and_their_results_answered() -> None:
    history = [user('call shell {"command": "echo 1"}\ncall shell {"command": "echo 2"}')]
    ids = []
    for number in (1, 2):
        (block,) = (await ask(history))[-1].content
        assert (block["type"], block["name"]) == ("tool_use", "shell")
        assert block["input"] == {"command": f"echo {number}"}
        ids.append(block["id"])
        output: list[Any] = [{"type": "text", "text": f"{number}\n"}]
        result = ToolResultBlock(type="tool_result", id=block["id"], name="shell", output=output)
        history += [Msg("bot", [block], "assistant"), Msg("system", [result], "system")]
    assert text_of((await ask(history))[-1]) == "Results:\n1. 1\n2. 2"
    assert len({*ids}) == 2


async def test_it_says_exactly_what_it_is_told_after_thinking() -> None:
    chunks = await ask([user("think hmm\nsay  spaced  out")])
    assert chunks[-1].content[0]["thinking"] == "hmm"
    assert text_of(chunks[-1]) == "spaced  out"


async def test_a_tool_that_is_not_offered_is_not_called() -> None:
    chunks = await ask([user("call rocket {}")])
    assert "no tool 'rocket'" in text_of(chunks[-1])


@pytest.mark.looptime
async def test_a_delay_pauses_between_chunks_and_can_be_cancelled() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert len(await ask([user("tokens 5\ndelay 2")])) == 5 + 1, "the last one brings the usage"
    assert loop.time() - start == pytest.approx(8)
    task = asyncio.create_task(ask([user("tokens 5\ndelay 1000")]))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.time() - start == pytest.approx(9)
