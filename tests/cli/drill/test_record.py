from __future__ import annotations

import pytest

from copaw.cli.drill.record import Record, TaskRecord
from copaw.cli.drill.tasks import make_tasks


def _finished(text: str) -> dict[str, object]:
    message = {"type": "message", "content": [{"type": "text", "text": text}]}
    return {"status": "finished", "result": {"status": "completed", "output": [message]}}


def _generation(number: int, state: str, *task_ids: str) -> dict[str, object]:
    leases = [{"kind": "task", "task_id": task_id} for task_id in task_ids]
    return {"generation": number, "state": state, "leases": leases}


@pytest.fixture
def task() -> TaskRecord:
    return TaskRecord(make_tasks(1, 1.0)[0], task_id="t1", sent_at=100.0)


def test_a_right_answer_in_time_is_ok(task: TaskRecord) -> None:
    task.see_status({"status": "running", "result": None}, 101.0)
    assert task.open
    task.generations.add(1)
    task.see_status(_finished(task.task.expected), 104.1)
    assert task.problems() == []
    assert task.line() == f"task 1  ok  4.1 s  generation 1  {task.task.expected}"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (_finished("answer drill-1: nothing"), "expected"),
        ({"status": "finished", "result": {"status": "failed", "error": {"message": "Ended."}}}, "failed: Ended."),
        ({"status": "error", "result": "broke"}, "failed: broke"),
        ({"error": "Task t1 not found"}, "untruthful status: Task t1 not found"),
        ({"status": "resting"}, "untruthful status: resting"),
    ],
)
def test_every_other_end_is_a_fault(task: TaskRecord, answer: dict[str, object], fault: str) -> None:
    task.see_status(answer, 110.0)
    assert fault in task.line()
    assert "FAILED" in task.line()


def test_an_end_before_its_commands_can_have_ended_is_a_lie(task: TaskRecord) -> None:
    task.see_status(_finished(task.task.expected), 101.0)
    assert "said to be finished after 1.0 s" in task.problems()[0]


def test_a_task_without_an_end_is_a_problem(task: TaskRecord) -> None:
    assert task.problems() == ["did not end (last status: waiting)"]
    assert TaskRecord(task.task).problems() == ["was not sent"]


def test_a_task_that_moves_to_another_generation_is_a_problem(task: TaskRecord) -> None:
    record = Record([task])
    record.see_lifecycle({"generation": 1, "generations": [_generation(1, "serving", "t1")]})
    record.see_lifecycle({"generation": 2, "generations": [_generation(2, "serving", "t1")]})
    assert "was held by more than one generation: [1, 2]" in task.problems()[-1]


def test_a_replaced_generation_must_close(task: TaskRecord) -> None:
    task.see_status(_finished(task.task.expected), 110.0)
    record = Record([task])
    both = [_generation(1, "draining"), _generation(2, "serving")]
    record.see_lifecycle({"generation": 2, "generations": both})
    assert list(record.problems()) == ["generation 1 is still draining"]
    record.see_lifecycle({"generation": 2, "generations": [_generation(2, "serving")]})
    assert list(record.problems()) == []
    assert record.verdict(0).endswith("over 0 of 0 rounds of changes; 1 of 1 old generations closed.")


def test_a_candidate_that_was_discarded_is_not_an_old_generation(task: TaskRecord) -> None:
    record = Record([task])
    record.see_lifecycle({"generation": 1, "generations": [_generation(1, "serving"), _generation(2, "superseded")]})
    record.see_lifecycle({"generation": 3, "generations": [_generation(3, "serving")]})
    assert record.seen == {1: "closed", 2: "superseded", 3: "serving"}
    assert "1 of 1 old generations closed" in record.verdict(1)
