"""The events of a run, as clients of CoPaw 1.0.2 read them (``docs/http-api.md``).

A :class:`ResponseStream` turns what an agent says, message by message and chunk by chunk, into ``response``,
``message`` and ``content`` objects. An :class:`Event` is serialised once, however many listeners it has.
"""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import Any

from copaw.errors import EndReason
from copaw.ids import new_uuid
from copaw.ports import Block, EventSink, Json

AGENT_ERROR = "AGENT_ERROR"

CALLS = {False: "plugin_call", True: "mcp_call"}
OUTPUTS = {False: "plugin_call_output", True: "mcp_call_output"}
"""Types of messages with a tool call and its result, by whether the tool comes from an MCP server."""


class Event:
    """One event with its place in the run.

    :param sequence: from 0, one more each.
    :param payload: the object without ``sequence_number``; not changed afterwards.
    """

    def __init__(self, sequence: int, payload: Json) -> None:
        self.sequence = sequence
        self.payload: Json = {"sequence_number": sequence, **payload}

    @property
    def terminal(self) -> bool:
        """Whether the run ends with it."""
        return self.payload["object"] == "response" and self.payload["status"] in ("completed", "failed")

    @cached_property
    def frame(self) -> bytes:
        """The event as a server-sent event."""
        body = json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.sequence}\ndata: {body}\n\n".encode(errors="replace")  # a model may say half an emoji


def error_object(code: str, message: str, reason: str | None = None) -> Json:
    """The ``error`` of a failed response. ``reason`` is the recorded cause when the run was ended."""
    error: Json = {"code": code, "message": message}
    if reason is not None:
        error["reason"] = reason
    return error


def ended_error(reason: str) -> Json:
    """The error of a run that was asked to end, with its true cause in words and as a word."""
    return error_object(AGENT_ERROR, f"{EndReason(reason).sentence} ({reason})", reason)


def failed_response(last: Event | None, reason: str | None, why: str) -> Json:
    """A terminal event for a run that gave none itself, continuing from its last event."""
    response: Json = {
        "object": "response",
        "status": "failed",
        "error": ended_error(reason) if reason is not None else error_object(AGENT_ERROR, why),
        "id": f"response_{new_uuid()}",
        "created_at": int(time.time()),
        "completed_at": int(time.time()),
        "output": [],
        "usage": None,
        "session_id": None,
    }
    if last is not None and last.payload["object"] == "response":
        response |= {key: last.payload[key] for key in ("id", "created_at", "session_id", "output")}
    return response


class ResponseStream:
    """Writes one response.

    :param emit: where events go.
    :param created_at: seconds since the epoch.
    """

    def __init__(self, emit: EventSink, response_id: str, session_id: str, created_at: int) -> None:
        self._emit = emit
        self._output: list[Json] = []
        self._usage: Json | None = None
        self._head = {"id": response_id, "created_at": created_at, "session_id": session_id}
        self.ended = False

    def _response(self, status: str, error: Json | None = None) -> None:
        done = status in ("completed", "failed")
        self._emit(
            {
                "object": "response",
                "status": status,
                "error": error,
                "id": self._head["id"],
                "created_at": self._head["created_at"],
                "completed_at": int(time.time()) if done else None,
                "output": list(self._output) if done else None,
                "usage": self._usage,
                "session_id": self._head["session_id"],
            }
        )

    def begin(self) -> None:
        """The two events every run starts with."""
        self._response("created")
        self._response("in_progress")

    def complete(self) -> None:
        """The terminal event of a run that did what it was asked."""
        self._end("completed", None)

    def fail(self, error: Json) -> None:
        """The terminal event of a run that did not."""
        self._end("failed", error)

    def _end(self, status: str, error: Json | None) -> None:
        if not self.ended:
            self.ended = True
            self._response(status, error)

    def add_usage(self, usage: Json) -> None:
        """Sum token counts over the model calls of the run."""
        total = dict(self._usage or {})
        for name, count in usage.items():
            total[name] = total.get(name, 0) + count
        self._usage = total

    def open_message(self, kind: str, role: str) -> MessageStream:
        """Begin a message of type ``message``, ``reasoning``, or one of :data:`CALLS` or :data:`OUTPUTS`."""
        return MessageStream(self._emit, kind, role, self._output)


class MessageStream:
    """Writes one message. Text grows by deltas; data is replaced as a whole."""

    def __init__(self, emit: EventSink, kind: str, role: str, output: list[Json]) -> None:
        self._emit = emit
        self._output = output
        self._message: Json = {
            "object": "message",
            "status": "in_progress",
            "error": None,
            "id": f"msg_{new_uuid()}",
            "type": kind,
            "role": role,
            "content": None,
            "code": None,
            "message": None,
            "usage": None,
            "metadata": None,
        }
        self._content: list[Json] = []
        self._open: list[str] = []
        emit(dict(self._message))

    @property
    def id(self) -> str:
        return str(self._message["id"])

    def text(self, delta: str) -> None:
        """Send the new part of the text."""
        if delta:
            self._open.append(delta)
            self._emit(self._text("in_progress", delta, is_delta=True))

    def data(self, data: Json, status: str = "in_progress") -> None:
        """Send the data as it stands now."""
        content = self._item(status, {"type": "data", "delta": False, "data": data})
        if status == "completed":
            self._content.append(content)
        self._emit(content)

    def block(self, content: Json) -> None:
        """Send a whole content item such as an image or a file."""
        item = self._item("completed", {"delta": False, **content})
        self._content.append(item)
        self._emit(item)

    def _item(self, status: str, fields: dict[str, Any]) -> Json:
        return {
            "object": "content",
            "status": status,
            "error": None,
            "index": len(self._content),
            "msg_id": self.id,
            **fields,
        }

    def _text(self, status: str, text: str, *, is_delta: bool) -> Json:
        return self._item(status, {"type": "text", "delta": is_delta, "text": text})

    def complete(self) -> None:
        """Send the whole content and close the message."""
        if self._open:
            content = self._text("completed", "".join(self._open), is_delta=False)
            self._open = []
            self._emit(content)
            self._content.append(content)
        self._message |= {"status": "completed", "content": self._content}
        self._output.append(self._message)
        self._emit(dict(self._message))


def content_item(block: Block) -> Json | None:
    """A protocol content item for an image, audio, video or file block; ``None`` for other blocks."""
    kind = block.get("type")
    if kind not in ("image", "audio", "video", "file"):
        return None
    source = block.get("source") or {}
    url = source.get("url") or f"data:{source.get('media_type', '')};base64,{source.get('data', '')}"
    match kind:
        case "audio":
            return {"type": "audio", "data": url, "format": source.get("media_type")}
        case "file":
            return {"type": "file", "file_url": url, "filename": block.get("filename")}
        case _:
            return {"type": kind, f"{kind}_url": url}
