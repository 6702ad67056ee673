"""From what an agent says to the events of a response."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from copaw.app.runner.events import CALLS, OUTPUTS, MessageStream, ResponseStream, content_item
from copaw.ports import Block, Json


class ResponseSpeaker:
    """Hears the agent's messages, whole so far each time, and streams what is new in them.

    A message of the agent may hold thinking, text and tool calls; on the wire each of these is a message of its
    own, opened in the order in which it first appears.

    :param origin: the key of the MCP server that a tool comes from; ``None`` for a built-in one.
    """

    def __init__(self, stream: ResponseStream, origin: Callable[[str], str | None] = lambda name: None) -> None:
        self._stream = stream
        self._origin = origin
        self._open: dict[str, MessageStream] = {}

    def say(self, blocks: Sequence[Block], *, last: bool) -> None:
        for position, block in enumerate(blocks):
            match block["type"]:
                case "text":
                    self._text(f"text{position}", "message", block["text"])
                case "thinking":
                    self._text(f"thinking{position}", "reasoning", block["thinking"])
                case "tool_use":
                    self._tool_call(block, last=last)
        if last:
            self._close()

    def _text(self, slot: str, kind: str, text: str) -> None:
        message = self._open.get(slot)
        if message is None:
            if not text:
                return
            message = self._open[slot] = self._stream.open_message(kind, "assistant")
        message.text(text[message.text_length :])

    def _tool_call(self, block: Block, *, last: bool) -> None:
        slot = f"call{block['id']}"
        message = self._open.get(slot)
        if message is None:
            message = self._open[slot] = self._stream.open_message(CALLS[self._is_mcp(block)], "assistant")
        arguments = block.get("raw_input") or json.dumps(block.get("input") or {}, ensure_ascii=False)
        data = {"call_id": block["id"], "name": block["name"], "arguments": arguments}
        message.data(data, "completed" if last else "in_progress")

    def _is_mcp(self, call: Json) -> bool:
        return self._origin(call["name"]) is not None

    def tool_result(self, call: Json, output: list[Block]) -> None:
        message = self._stream.open_message(OUTPUTS[self._is_mcp(call)], "tool")
        text = json.dumps(output, ensure_ascii=False)
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

    def _close(self) -> None:
        for message in self._open.values():
            message.complete()
        self._open.clear()

    def close(self) -> None:
        """Complete whatever is open, as after a cancellation, so that nothing that was said is lost."""
        self._close()
