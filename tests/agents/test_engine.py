"""The ReAct loop: what it does when a cancellation is lost below it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg

from copaw.agents.engine import CopawAgent
from copaw.agents.factory import schema
from copaw.errors import EndReason
from copaw.ports import Block, Json, ToolContext, ToolResult
from copaw.providers.demo import DemoChatModel


class Silent:
    """A speaker whom nobody hears."""

    def say(self, blocks: Any, *, last: bool) -> None: ...

    def tool_result(self, call: Json, output: list[Block]) -> None: ...

    def usage(self, usage: Json) -> None: ...


class Deaf:
    """A tool that is told to stop and answers as if nothing had happened."""

    name = "deaf"
    description = "Waits, and does not hear."

    def __init__(self) -> None:
        self.parameters: Json = {"type": "object", "properties": {}}
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


async def nothing() -> None: ...


@pytest.mark.parametrize("text", ["call deaf {}\nsay went on", "call deaf {}\ncall deaf {}\nsay went on"])
async def test_a_run_whose_cancellation_was_lost_takes_no_further_step(tmp_path: Path, text: str) -> None:
    deaf, memory, cause = Deaf(), InMemoryMemory(), None
    agent = CopawAgent(
        name="a",
        sys_prompt="",
        model=DemoChatModel("demo", stream=True),
        formatter=OpenAIChatFormatter(),
        memory=memory,
        tools={"deaf": deaf},
        schemas=[schema(deaf)],
        origin=lambda name: None,
        context=ToolContext("a", tmp_path),
        speaker=Silent(),
        save=nothing,
        end_reason=lambda: cause,
        max_iters=9,
    )
    turn = asyncio.create_task(agent(Msg("user", text, "user")))
    await asyncio.wait_for(deaf.waits.wait(), 10)
    cause = EndReason.SERVER_SHUTDOWN
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(turn), 10)
    assert deaf.calls == 1
    said = [block.get("text") for message in await memory.get_memory() for block in message.get_content_blocks()]
    assert "went on" not in said
