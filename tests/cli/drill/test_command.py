from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from copaw.cli.drill import command
from copaw.cli.drill.server import DrillServer

pytestmark = pytest.mark.e2e
Run = Callable[..., Result]


@pytest.fixture
def drilled(run, server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``copaw drill`` against the fake server in place of one of its own; the commands it sends are real."""
    log_file = tmp_path / "server.log"
    log_file.write_text("the server's last words\n")

    @contextmanager
    def fake(*, keep: bool) -> Iterator[DrillServer]:
        yield DrillServer(server.base_url, tmp_path, log_file, {})

    monkeypatch.setattr(command, "running_server", fake)
    monkeypatch.setattr(command, "POLL_INTERVAL_S", 0.02)
    monkeypatch.setattr(command, "CLOSE_WITHIN_S", 0.1)

    def invoke(*arguments: str) -> Result:
        return run("drill", "--tasks", "2", "--rounds", "2", "--seconds", "0.1", *arguments)

    return invoke


def test_it_passes_when_every_task_comes_to_its_right_end(drilled: Run, world) -> None:
    world(8)
    result = drilled()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.fullmatch(
        r"PASSED: 2 of 2 tasks completed with the right answer over 2 of 2 rounds of changes; "
        r"(\d+) of \1 old generations closed\.",
        lines[-1],
    )
    assert any(line.startswith("task 1  ok") and line.endswith("drill-1-1 drill-1-2 drill-1-3") for line in lines)
    assert "generation 9  serving" in lines
    assert any(re.search(r"(serving|draining) \([^)]*task 1\b", line) for line in lines)
    assert result.stderr == ""


def test_json_is_all_there_is_on_stdout(drilled: Run, world) -> None:
    world(8)
    result = drilled("--json")
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert [task["ok"] for task in document["tasks"]] == [True, True]
    assert "round 2: 4 changes" in result.stderr


@pytest.mark.parametrize(
    ("flaw", "problem"),
    [
        ("interrupts", "failed: Task has been cancelled!"),
        ("mixes", "problem: task 1: expected 'answer drill-1"),
        ("leaks", "problem: generation 1 is still draining"),
        ("forgets", "problem: console.bot_prefix was set to"),
    ],
)
def test_it_fails_with_the_reason_and_the_servers_log(drilled: Run, world, flaw: str, problem: str) -> None:
    # A lost change ends the rounds after their first, so that the tasks must not wait for a second one.
    world(4 if flaw == "forgets" else 8, flaw)
    result = drilled()
    assert result.exit_code == 1
    assert problem in result.stderr
    assert "the server's last words" in result.stderr
    assert result.stdout.splitlines()[-1].startswith("FAILED: ")


def test_a_server_that_goes_away_is_a_failure_not_a_hang(drilled: Run, world, server) -> None:
    world(8)
    server.on("GET", "/api/agents/default/lifecycle", {"detail": "Gone."}, status=500)
    result = drilled()
    assert result.exit_code == 1
    assert "problem: Gone." in result.stderr
