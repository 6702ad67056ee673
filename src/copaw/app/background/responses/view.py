"""A task as an OpenAI Responses object: https://platform.openai.com/docs/api-reference/responses/object."""

from __future__ import annotations

from collections.abc import Iterable

from copaw.app.background.records import TaskRecord, TaskState
from copaw.app.background.responses.request import KEPT, PREFIX
from copaw.ports import Json

STATUS = {
    TaskState.QUEUED: "queued",
    TaskState.RUNNING: "in_progress",
    TaskState.CANCELLING: "in_progress",
    TaskState.SUCCEEDED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "cancelled",
    TaskState.TIMED_OUT: "incomplete",
    TaskState.INTERRUPTED: "incomplete",
}
PARTS = {"message": "output_text", "reasoning": "reasoning_text"}
"""Kinds of messages that are shown, and the type of their text. Tool calls are the agent's own and are not shown,
because a ``function_call`` of a response asks the client to make the call."""


def response_json(record: TaskRecord) -> Json:
    """A task as a response. ``error`` and ``incomplete_details`` name the cause of an end that was none of success."""
    asked = {name: record.request.get(name) for name in KEPT}
    result = record.result or {}
    incomplete = STATUS[record.state] == "incomplete"
    return {
        "id": PREFIX + record.id,
        "object": "response",
        "created_at": int(record.created_at),
        "completed_at": int(record.ended_at) if record.ended_at is not None else None,
        "status": STATUS[record.state],
        "background": True,
        **asked,
        "model": asked["model"] or record.agent_id,
        "metadata": asked["metadata"] or {},
        "conversation": {"id": record.session_id},
        "error": _error(record, result) if record.state.terminal else None,
        "incomplete_details": {"reason": record.end_reason or record.state.value} if incomplete else None,
        "output": list(_output(result.get("output") or [])),
        "usage": _usage(result.get("usage")),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "user": record.user_id,
    }


def _error(record: TaskRecord, result: Json) -> Json | None:
    if record.state is TaskState.SUCCEEDED:
        return None
    error = result.get("error") or {}
    code = record.end_reason or error.get("code") or "server_error"
    return {"code": code, "message": error.get("message") or f"The task ended as {record.state}."}


def _output(found: Iterable[Json]) -> Iterable[Json]:
    for message in found:
        kind = str(message.get("type"))
        if kind in PARTS:
            texts = [str(item.get("text")) for item in message.get("content") or [] if item.get("type") == "text"]
            yield item_json(kind, str(message.get("id")), str(message.get("status")), texts)


def item_json(kind: str, item_id: str, status: str, texts: Iterable[str]) -> Json:
    """An item of the output. :param kind: of :data:`PARTS`."""
    item: Json = {"id": item_id, "type": kind, "status": status, "content": [part_json(kind, text) for text in texts]}
    more: Json = {"role": "assistant"} if kind == "message" else {"summary": []}
    return item | more


def part_json(kind: str, text: str) -> Json:
    """A text of an item."""
    part: Json = {"type": PARTS[kind], "text": text}
    return part | ({"annotations": [], "logprobs": []} if kind == "message" else {})


def _usage(usage: Json | None) -> Json | None:
    if not usage:
        return None
    read, written = int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0)
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": int(usage.get("total_tokens") or read + written),
    }
