"""The offline demo model: no network, no key, no intelligence.

It lets somebody try chats, tools, approvals and reloads before a real model is configured. It says that it
is a demo, repeats the message and tells how to configure a model. Lines of the message can make it do more:

* ``call TOOL {json}`` calls a tool that the agent offers; several lines are several calls, one after another,
  and the answer lists their results (``Results:``, ``1. ...``);
* ``say TEXT`` makes it answer exactly that, with ``{1}``, ``{2}`` standing for the results;
* ``think TEXT`` and ``tokens N`` make it think, and answer with N short chunks;
* ``delay SECONDS`` pauses between chunks, so that an answer can be watched growing.

:mod:`copaw.providers.directives` has the exact rules. ``fail``, ``hang`` and ``cut`` mean nothing here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from uuid import uuid4

from agentscope.message import TextBlock, ThinkingBlock, ToolUseBlock
from agentscope.model import ChatModelBase, ChatResponse
from agentscope.model._model_usage import ChatUsage

from copaw.providers.directives import Call, Turn, message_text, next_turn, results_text
from copaw.providers.models import DEMO_MODEL_ID

_ECHO_LIMIT = 2000


class DemoChatModel(ChatModelBase):  # type: ignore[misc]
    """Does what the last user message says; the same messages give the same answer."""

    def __init__(self, model_name: str = DEMO_MODEL_ID, *, stream: bool = True) -> None:
        super().__init__(model_name, stream)

    async def __call__(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        tool_choice: str | None = None,
        **_ignored: Any,
    ) -> ChatResponse | AsyncGenerator[ChatResponse, None]:
        """Answer with cumulative chunks, or with the whole response if ``stream`` is off."""
        turn = next_turn(messages, [] if tool_choice == "none" else tools or [])
        chunks = _stream(turn, sum(len(message_text(message).split()) for message in messages))
        if self.stream:
            return chunks
        return [chunk async for chunk in chunks][-1]


async def _stream(turn: Turn, input_tokens: int) -> AsyncGenerator[ChatResponse, None]:
    response_id = f"demo_{uuid4().hex}"
    started = time.monotonic()
    for count, blocks in enumerate(_contents(turn), start=1):
        if count > 1 and turn.script.delay_s:
            await asyncio.sleep(turn.script.delay_s)
        usage = ChatUsage(input_tokens=input_tokens, output_tokens=count, time=time.monotonic() - started)
        yield ChatResponse(content=blocks, id=response_id, usage=usage)


def _contents(turn: Turn) -> Iterator[list[Any]]:
    """The content after each chunk; every one contains all that came before."""
    thinking = [ThinkingBlock(type="thinking", thinking=turn.script.think)] if turn.script.think else []
    if thinking:
        yield thinking
    if turn.call is not None:
        yield [*thinking, _tool_use(turn.call)]
        return
    text = ""
    for piece in turn.chunks(_answer(turn)) or [""]:
        text += piece
        yield [*thinking, TextBlock(type="text", text=text)]


def _tool_use(call: Call) -> ToolUseBlock:
    raw = json.dumps(call.arguments, ensure_ascii=False)
    return ToolUseBlock(
        type="tool_use", id=f"call_{uuid4().hex[:24]}", name=call.tool, input=call.arguments, raw_input=raw
    )


def _answer(turn: Turn) -> str:
    if turn.results:
        return results_text(turn.results) + turn.unknown_tools()
    message = turn.script.text
    if len(message) > _ECHO_LIMIT:
        message = message[:_ECHO_LIMIT] + " ..."
    return (
        f"I am the offline demo model and have no intelligence. You said: {message}{turn.unknown_tools()}\n\n"
        "To talk to a real model, run `copaw models config-key <provider>` and then `copaw models set-llm`."
    )
