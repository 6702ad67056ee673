"""From what an agent says to the events of a response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from copaw.app.runner.events import CALLS, OUTPUTS, MessageStream, ResponseStream, content_item
from copaw.ports import Block, Json
from copaw.providers.answer import Piece, Usage
from copaw.providers.surrogates import mended

_KINDS = {"text": "message", "thinking": "reasoning"}
_EACH_BELOW = 1024


class ResponseSpeaker:
    """Hears the agent's messages piece by piece and streams them.

    A message of the agent may hold thinking, text and tool calls; on the wire each of these is a message of its
    own, opened in the order in which it first appears.

    :param origin: the key of the MCP server that a tool comes from; ``None`` for a built-in one.
    """

    def __init__(self, stream: ResponseStream, origin: Callable[[str], str | None] = lambda name: None) -> None:
        self._stream = stream
        self._origin = origin
        self._open: dict[int, MessageStream | _CallStream] = {}

    def hear(self, heard: Iterable[Piece | Usage]) -> None:
        for piece in heard:
            if isinstance(piece, Usage):
                continue
            message = self._open.get(piece.slot)
            if message is None:
                if piece.kind != "tool_use" and not piece.text:
                    continue
                message = self._open[piece.slot] = self._opened(piece)
            message.text(piece.text)

    def finish(self) -> None:
        """Complete whatever is open, after a cancellation too, so that nothing that was said is lost."""
        for message in self._open.values():
            message.complete()
        self._open.clear()

    def _opened(self, piece: Piece) -> MessageStream | _CallStream:
        if piece.kind != "tool_use":
            return self._stream.open_message(_KINDS[piece.kind], "assistant")
        message = self._stream.open_message(CALLS[self._origin(piece.name) is not None], "assistant")
        return _CallStream(message, piece.call_id, piece.name)

    def tool_result(self, call: Json, output: list[Block]) -> None:
        message = self._stream.open_message(OUTPUTS[self._origin(call["name"]) is not None], "tool")
        text = mended(json.dumps(output, ensure_ascii=False))
        message.data({"call_id": call["id"], "name": call["name"], "output": text}, "completed")
        message.complete()
        self._attachments(output)

    def _attachments(self, output: list[Block]) -> None:
        # A file sent to the user is named by its URL; an image the agent merely looked at is inline.
        sent = [block for block in output if (block.get("source") or {}).get("type") == "url"]
        items = [item for block in sent if (item := content_item(block)) is not None]
        if items:
            message = self._stream.open_message("message", "assistant")
            for item in items:
                message.block(item)
            message.complete()

    def usage(self, usage: Json) -> None:
        self._stream.add_usage(usage)


class _CallStream:
    """Streams a tool call. Each event has all its arguments so far, so that long ones are sent when they doubled."""

    def __init__(self, message: MessageStream, call_id: str, name: str) -> None:
        self._message = message
        self._head = {"call_id": call_id, "name": name}
        self._parts: list[str] = []
        self._length = 0
        self._next = 0

    def text(self, arguments: str) -> None:
        """More of the arguments' JSON text."""
        self._parts.append(arguments)
        self._length += len(arguments)
        if self._length >= self._next:
            self._next = 2 * self._length if self._length > _EACH_BELOW else 0
            self._send("in_progress")

    def complete(self) -> None:
        self._send("completed")
        self._message.complete()

    def _send(self, status: str) -> None:
        self._message.data({**self._head, "arguments": "".join(self._parts) or "{}"}, status)
