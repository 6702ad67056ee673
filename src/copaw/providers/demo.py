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
from collections.abc import AsyncGenerator, Iterator
from uuid import uuid4

from copaw.ports import Json
from copaw.providers.answer import Heard, Piece, Usage
from copaw.providers.chat_model import ChatModel
from copaw.providers.directives import Turn, message_text, next_turn, results_text
from copaw.providers.models import DEMO_MODEL_ID

_ECHO_LIMIT = 2000


class DemoChatModel(ChatModel):
    """Does what the last user message says; the same messages give the same answer."""

    def __init__(self, model_name: str = DEMO_MODEL_ID) -> None:
        super().__init__(model_name)

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        """See :meth:`ChatModel.converse`."""
        turn = next_turn(messages, [] if tool_choice == "none" else tools or [])
        count = 0
        for count, piece in enumerate(_pieces(turn), start=1):
            if count > 1 and turn.script.delay_s:
                await asyncio.sleep(turn.script.delay_s)
            yield [piece]
        yield [Usage(sum(len(message_text(message).split()) for message in messages), count)]


def _pieces(turn: Turn) -> Iterator[Piece]:
    slot = 0
    if turn.script.think:
        yield Piece(slot, "thinking", turn.script.think)
        slot += 1
    if turn.call is not None:
        arguments = json.dumps(turn.call.arguments, ensure_ascii=False)
        yield Piece(slot, "tool_use", arguments, f"call_{uuid4().hex[:24]}", turn.call.tool)
        return
    for text in turn.chunks(_answer(turn)):
        yield Piece(slot, "text", text)


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
