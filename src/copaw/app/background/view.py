"""Tasks as people and programs see them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from copaw.app.background.outcome import answer_of
from copaw.app.background.records import TaskRecord, TaskState
from copaw.ports import Json


def task_summary(record: TaskRecord) -> Json:
    """A task without what it was asked and what it answered. Times are ISO 8601 UTC."""
    return {
        "id": record.id,
        "agent_id": record.agent_id,
        "session_id": record.session_id,
        "user_id": record.user_id,
        "channel": record.channel,
        "state": record.state.value,
        "end_reason": record.end_reason,
        "created_at": _iso(record.created_at),
        "started_at": _iso(record.started_at),
        "ended_at": _iso(record.ended_at),
        "timeout_seconds": record.timeout_s,
        "generation": record.generation,
        "attempt": record.attempt,
        "on_interrupt": record.on_interrupt.value,
        "retry_of": record.retry_of,
        "retried_as": record.retried_as,
        "parent_id": record.parent_id,
        "chain": list(record.chain),
        "events_truncated": record.events_truncated,
        "kind": record.kind.value,
        "notice": _notice(record),
        "callback": _callback(record),
    }


def task_json(record: TaskRecord) -> Json:
    """A whole task: with its input or its tool call, its result and the error in it."""
    error = (record.result or {}).get("error")
    asked = {name: record.request.get(name) for name in ("input", "tool", "arguments")}
    return {**task_summary(record), "error": error, **asked, "answer": answer_of(record), "result": record.result}


def legacy_status(record: TaskRecord) -> Json:
    """A task in the shapes of 1.0.2, which knows no states but these; its own state comes with it."""
    more = {"task_id": record.id, "state": record.state.value, "session_id": record.session_id}
    if not record.state.terminal:
        waiting = record.state is TaskState.QUEUED
        return {"status": "pending" if waiting else "running", "result": None, **more}
    if record.result is None:
        return {"status": "error", "result": f"The task ended as {record.state} without a result.", **more}
    return {"status": "finished", "result": record.result, **more}


def submission_answer(record: TaskRecord) -> Json:
    """What a submission answers: the shape of 1.0.2, and how the task was understood."""
    return {
        "task_id": record.id,
        "status": "submitted",
        "queue": "stream_query",
        "message": "The task was accepted and runs in the background.",
        "state": record.state.value,
        "agent_id": record.agent_id,
        "session_id": record.session_id,
        "timeout_seconds": record.timeout_s,
        "on_interrupt": record.on_interrupt.value,
    }


def _callback(record: TaskRecord) -> Json | None:
    if record.callback_url is None:
        return None
    return {
        "url": record.callback_url,
        "state": record.callback_state.value if record.callback_state is not None else None,
        "attempts": record.callback_attempts,
        "at": _iso(record.callback_at),
        "error": record.callback_error,
    }


def _notice(record: TaskRecord) -> Json | None:
    if record.asker is None:
        return None
    state = record.notice_state.value if record.notice_state is not None else None
    return {**asdict(record.asker), "state": state}


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
