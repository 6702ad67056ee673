"""A task as OpenAI's own classes read it."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseOutputMessage, ResponseReasoningItem

from copaw.app.background.records import TaskRecord, TaskState
from copaw.app.background.responses.view import STATUS, response_json


def record(state: TaskState, **fields: Any) -> TaskRecord:
    return TaskRecord("t", "a", "s", "u", state, created_at=1.5, timeout_s=9.0, **fields)


def message(kind: str, text: str) -> dict[str, Any]:
    return {"id": kind, "type": kind, "status": "completed", "content": [{"type": "text", "text": text}]}


def test_every_state_has_a_status() -> None:
    assert set(STATUS) == set(TaskState)


def test_messages_and_reasoning_are_shown_and_tool_calls_are_not() -> None:
    output = [message("reasoning", "hm"), message("plugin_call", ""), message("message", "yes")]
    usage = {"input_tokens": 2, "output_tokens": 3}
    shown = response_json(record(TaskState.SUCCEEDED, ended_at=2.0, result={"output": output, "usage": usage}))
    assert (shown["status"], shown["error"], shown["usage"]["total_tokens"]) == ("completed", None, 5)
    reasoning, answer = shown["output"]
    assert ResponseReasoningItem.model_validate(reasoning).content
    assert [part.type for part in ResponseOutputMessage.model_validate(answer).content] == ["output_text"]


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        (TaskState.INTERRUPTED, "server_died", "incomplete"),
        (TaskState.TIMED_OUT, "timeout", "incomplete"),
        (TaskState.CANCELLED, "user_stop", "cancelled"),
    ],
)
def test_an_end_that_was_none_of_success_names_its_cause(state: TaskState, reason: str, status: str) -> None:
    shown = response_json(record(state, end_reason=reason, result={"error": {"message": "Because."}}))
    assert (shown["status"], shown["error"]) == (status, {"code": reason, "message": "Because."})
    assert shown["incomplete_details"] == ({"reason": reason} if status == "incomplete" else None)
