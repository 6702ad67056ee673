from __future__ import annotations

import json
import subprocess

import pytest

from copaw.cli.drill.tasks import NotAccepted, make_tasks, submit, wrong_answer


def _commands(text: str) -> list[str]:
    calls = [line.partition(" {")[2] for line in text.splitlines() if line.startswith("call execute_shell_command ")]
    return [json.loads("{" + call)["command"] for call in calls]


def test_the_commands_really_give_the_expected_answer() -> None:
    (task,) = make_tasks(1, 0.01)
    results = [subprocess.check_output(command, shell=True, text=True) for command in _commands(task.text)]
    said = task.text.splitlines()[-1].removeprefix("say ")
    for number, result in enumerate(results, 1):
        said = said.replace(f"{{{number}}}", result)
    assert wrong_answer(task, said + "\n") is None


def test_no_answer_can_be_read_off_the_text_or_taken_from_another_task() -> None:
    first, second = make_tasks(2, 3)
    assert "drill-1-1" not in first.text
    assert first.expected != second.expected
    assert "expected" in str(wrong_answer(first, second.expected))
    assert wrong_answer(first, first.expected + " and more")


def test_a_task_takes_as_long_as_its_commands() -> None:
    assert [task.least_s for task in make_tasks(2, 1.5)] == [4.5, 4.5]


def test_submission_uses_the_real_command(server) -> None:
    server.on("POST", "/api/agent/process/task", {"task_id": "t-9", "status": "submitted"})
    (task,) = make_tasks(1, 1)
    assert submit(task, server.base_url, {}) == "t-9"
    sent = server.seen[0].body["input"][0]["content"][0]["text"]
    assert sent == f"[Agent default requesting] {task.text}"


def test_a_refused_submission_says_why(server) -> None:
    server.on("POST", "/api/agent/process/task", {"detail": "Closing."}, status=503)
    with pytest.raises(NotAccepted, match=r"task 1 was not accepted .* Closing"):
        submit(make_tasks(1, 1)[0], server.base_url, {})
