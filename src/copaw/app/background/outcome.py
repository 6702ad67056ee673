"""Results of tasks that have no response of their own, and what their stored events still tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from copaw.app.background.live import OpenCall
from copaw.app.background.records import SERVER_DIED, EventChunk, TaskKind, TaskRecord, TaskState
from copaw.errors import CopawError, EndReason
from copaw.ids import new_uuid
from copaw.ports import Json

_END_STATES = {
    EndReason.USER_STOP.value: TaskState.CANCELLED,
    EndReason.PARENT_CANCELLED.value: TaskState.CANCELLED,
    EndReason.TIMEOUT.value: TaskState.TIMED_OUT,
}
"""Any other recorded cause means that the server ended the task: it was interrupted."""

_REFUSED = {
    "AGENT_DISABLED": EndReason.AGENT_DISABLED,
    "AGENT_NOT_FOUND": EndReason.AGENT_DELETED,
    "SERVER_CLOSING": EndReason.SERVER_SHUTDOWN,
}
"""Why a task that waited for its turn could not start any more, by the code of the error."""

_DIED = "The server died while this task was under way."


def state_after(last: Json, end_reason: str | None) -> TaskState:
    """The state of a task whose run ended with the event ``last``."""
    if last.get("status") == "completed":
        return TaskState.SUCCEEDED
    return TaskState.FAILED if end_reason is None else _END_STATES.get(end_reason, TaskState.INTERRUPTED)


def end_reason_of(error: CopawError) -> EndReason | None:
    """The cause behind a refusal to start, if the task was not at fault."""
    return _REFUSED.get(error.code)


def ended_result(record: TaskRecord, reason: str, now: float, output: list[Json] | None = None) -> Json:
    """The result of a task that was ended because of ``reason``; ``output`` is what it had said."""
    sentence = _DIED if reason == SERVER_DIED else EndReason(reason).sentence
    error = {"code": "AGENT_ERROR", "message": f"{sentence} ({reason})", "reason": reason}
    return _response(record, error, now, output or [])


def failed_result(record: TaskRecord, error: CopawError, now: float) -> Json:
    """The result of a task that could not be run."""
    return _response(record, {"code": error.code, "message": error.message}, now, [])


def _response(record: TaskRecord, error: Json, now: float, output: list[Json]) -> Json:
    return {
        "object": "response",
        "status": "failed",
        "error": error,
        "id": f"response_{new_uuid()}",
        "created_at": int(record.created_at),
        "completed_at": int(now),
        "output": output,
        "usage": None,
        "session_id": record.session_id,
    }


def answer_of(record: TaskRecord) -> str:
    """What a task that has ended answered, and what went wrong with it. Empty while it has not ended."""
    if not record.state.terminal:
        return ""
    result = record.result or {}
    last = _tool_output if record.kind is TaskKind.TOOL else _said
    texts = (last(message) for message in reversed(result.get("output") or []))
    answer = next((text for text in texts if text), "")
    if record.state is TaskState.SUCCEEDED:
        return answer
    error = result.get("error") or {}
    return f"{answer}\nError: {error.get('message') or record.state}".strip()


def _said(message: Json) -> str:
    items = message.get("content") or []
    return "\n".join(str(item.get("text") or "") for item in items) if message.get("type") == "message" else ""


def _tool_output(message: Json) -> str:
    match message:
        case {"type": "plugin_call_output", "content": [{"data": {"output": str(output)}}, *_]}:
            return "\n".join(str(block.get("text") or f"[{block.get('type')}]") for block in json.loads(output))
        case _:
            return ""


def frame_of(sequence: int, payload: Json) -> str:
    """A server-sent event."""
    body = json.dumps({"sequence_number": sequence, **payload}, ensure_ascii=True, separators=(",", ":"))
    return f"id: {sequence}\ndata: {body}\n\n"


def frames_in(chunk: EventChunk) -> Iterator[tuple[int, str]]:
    """The frames of a chunk with their sequence numbers."""
    for frame in chunk.frames.split("\n\n"):
        if frame:
            yield int(frame[4 : frame.index("\n")]), f"{frame}\n\n"


def payloads_in(chunks: Iterable[EventChunk]) -> Iterator[Json]:
    """The events of chunks."""
    for chunk in chunks:
        for _, frame in frames_in(chunk):
            yield json.loads(frame[frame.index("data: ") + 6 :])


class Remains:
    """What the stored events of a task tell of it after its process is gone.

    :ivar last: sequence number of the last event, -1 if there is none.
    :ivar terminal: its terminal event, if it had one.
    """

    def __init__(self, chunks: Iterable[EventChunk]) -> None:
        self.last = -1
        self.terminal: Json | None = None
        self._messages: dict[str, Json] = {}
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[str, OpenCall] = {}
        for payload in payloads_in(chunks):
            self.last = max(self.last, int(payload["sequence_number"]))
            self._take(payload)

    def _take(self, payload: Json) -> None:
        match payload:
            case {"object": "response", "status": "completed" | "failed"}:
                self.terminal = payload
            case {"object": "message", "id": str(message_id), "status": status}:
                self._messages[message_id] = payload
                if status == "completed":
                    self._message_done(payload)
            case {"object": "content", "msg_id": str(message_id), "delta": True, "text": str(text)}:
                self._texts.setdefault(message_id, []).append(text)

    def _message_done(self, message: Json) -> None:
        data: Any = next((item.get("data") for item in message.get("content") or [] if item.get("data")), None)
        match message.get("type"), data:
            case "plugin_call" | "mcp_call", {"call_id": str(call_id), "name": str(name), "arguments": arguments}:
                self._calls[call_id] = OpenCall(call_id, name, _arguments(arguments))
            case "plugin_call_output" | "mcp_call_output", {"call_id": str(call_id)}:
                self._calls.pop(call_id, None)

    @property
    def open_calls(self) -> list[OpenCall]:
        """Tool calls without a result."""
        return list(self._calls.values())

    def output(self) -> list[Json]:
        """The messages so far; one that was cut short has the text that had come."""
        return [self._message(message_id, message) for message_id, message in self._messages.items()]

    def _message(self, message_id: str, message: Json) -> Json:
        whole = {name: value for name, value in message.items() if name != "sequence_number"}
        if message.get("status") == "completed":
            return whole
        text = "".join(self._texts.get(message_id, ()))
        content = [{"object": "content", "status": "incomplete", "error": None, "index": 0, "msg_id": message_id,
                    "type": "text", "delta": False, "text": text}] if text else []  # fmt: skip
        return {**whole, "status": "incomplete", "content": content}


def _arguments(text: Any) -> Json:
    try:
        parsed = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
