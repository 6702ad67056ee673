"""A task as the A2A library reads it."""

from __future__ import annotations

from typing import Any

import pytest
from a2a.types import Task

from copaw.app.background.a2a import STATES, a2a_task, asked_task, background_body
from copaw.app.background.records import TaskRecord, TaskState
from copaw.errors import BadInput


@pytest.mark.parametrize("state", list(TaskState))
def test_every_state_is_one_of_the_protocol(state: TaskState) -> None:
    result = {
        "error": {"message": "Because."},
        "output": [{"id": "m", "type": "message", "content": [{"type": "text", "text": "so far"}]}],
    }
    record = TaskRecord("t", "a", "s", "u", state, created_at=1.0, timeout_s=9.0, result=result)
    task = Task.model_validate(a2a_task(record))
    assert (task.id, task.context_id, task.status.state.value) == ("t", "s", STATES[state])
    assert (task.status.message is not None) == (state.terminal and state is not TaskState.SUCCEEDED)
    assert task.artifacts is not None
    assert [part.root.text for part in task.artifacts[0].parts] == ["so far"]


def send(**message: Any) -> dict[str, Any]:
    return {"method": "message/send", "params": {"message": message, "configuration": {"blocking": False}}}


def test_only_what_does_not_wait_is_a_task() -> None:
    call = send(parts=[{"kind": "text", "text": "hi"}], contextId="s")
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": "hi"}]}
    assert background_body(call) == {"input": [message], "session_id": "s"}
    assert background_body({**call, "method": "message/stream"}) is None
    assert background_body({"method": "message/send", "params": {"message": {}}}) is None
    assert background_body("nonsense") is None


@pytest.mark.parametrize("parts", [None, [], [{"kind": "file"}]])
def test_other_parts_than_text_are_refused(parts: Any) -> None:
    with pytest.raises(BadInput, match=r"message\.parts"):
        background_body(send(parts=parts))


def test_a_call_about_a_task_names_it() -> None:
    assert asked_task({"method": "tasks/get", "params": {"id": "t"}}) == "t"
    assert asked_task({"method": "tasks/resubscribe", "params": {"id": "t"}}) is None
    assert asked_task([]) is None
