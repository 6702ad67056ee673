"""A task in the words of the A2A protocol 0.3: https://a2a-protocol.org/v0.3.0/specification/."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from copaw.app.background.records import TaskRecord, TaskState
from copaw.errors import BadInput
from copaw.ports import Json

INVALID_PARAMS = -32602
NOT_CANCELABLE = -32002

STATES = {
    TaskState.QUEUED: "submitted",
    TaskState.RUNNING: "working",
    TaskState.CANCELLING: "working",
    TaskState.SUCCEEDED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "canceled",
    TaskState.TIMED_OUT: "failed",
    TaskState.INTERRUPTED: "failed",
}


def a2a_task(record: TaskRecord) -> Json:
    """A task of the ledger. What its agent said is an artifact; an end that was none of success has its message."""
    result = record.result or {}
    at = record.ended_at or record.started_at or record.created_at
    status: Json = {"state": STATES[record.state], "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}
    if record.state.terminal and record.state is not TaskState.SUCCEEDED:
        why = (result.get("error") or {}).get("message") or f"The task ended as {record.state}."
        status["message"] = {
            "kind": "message",
            "role": "agent",
            "messageId": f"{record.id}-end",
            "parts": [{"kind": "text", "text": why}],
        }
    return {
        "kind": "task",
        "id": record.id,
        "contextId": record.session_id,
        "status": status,
        "artifacts": [_artifact(message) for message in result.get("output") or [] if message.get("type") == "message"],
        "metadata": {"state": record.state.value, "end_reason": record.end_reason},
    }


def _artifact(message: Json) -> Json:
    texts = [str(item.get("text")) for item in message.get("content") or [] if item.get("type") == "text"]
    return {"artifactId": str(message.get("id")), "parts": [{"kind": "text", "text": text} for text in texts]}


def asked_task(call: Any) -> str | None:
    """The id of the task that a ``tasks/get`` or ``tasks/cancel`` is about; ``None`` for any other call."""
    match call:
        case {"method": "tasks/get" | "tasks/cancel", "params": {"id": str(task_id)}}:
            return task_id
        case _:
            return None


def background_body(call: Any) -> Json | None:
    """The body of the task that a ``message/send`` with ``blocking: false`` asks for; ``None`` for any other call.

    ``contextId`` is the session.

    :raises BadInput: the message has other parts than text.
    """
    match call:
        case {"method": "message/send", "params": {"message": dict(message), "configuration": {"blocking": False}}}:
            return _body(message)
        case _:
            return None


def _body(message: Json) -> Json:
    parts = message.get("parts")
    if not isinstance(parts, list) or not parts:
        raise BadInput("Field 'message.parts': must be a list of parts.", field="message.parts")
    content = [{"type": "text", "text": _text(number, part)} for number, part in enumerate(parts)]
    body: Json = {"input": [{"role": "user", "type": "message", "content": content}]}
    return {**body, "session_id": message["contextId"]} if message.get("contextId") else body


def _text(number: int, part: Any) -> str:
    match part:
        case {"kind": "text", "text": str(text)}:
            return text
        case _:
            field = f"message.parts.{number}"
            raise BadInput(f"Field '{field}': only text can be sent to a background task.", field=field)
