from __future__ import annotations

import sys
from pathlib import Path

import pytest

from copaw import __version__
from copaw.app.background.server_lock import lock_working_dir
from copaw.cli.installation import How, Installation

pytestmark = pytest.mark.usefixtures("asked")


def test_it_shows_the_command_and_asks(run, made: Path, asked) -> None:
    result = run("update", input="n\n")
    assert result.exit_code == 0
    assert "uv tool upgrade copaw" in result.stdout
    assert asked() == ""


def test_it_runs_after_a_yes_and_says_what_came_of_it(run, made: Path, asked) -> None:
    result = run("update", input="\n")
    assert asked() == "tool upgrade copaw\n"
    assert f"{__version__} is the newest version" in result.stdout


def test_a_failure_is_one(run, made: Path) -> None:
    result = run("update", "-y", env={"UV_STATUS": "4"})
    assert result.exit_code == 1
    assert "status 4" in result.stderr


def test_with_a_server_running_it_says_so_and_the_default_is_no(run, made: Path, asked) -> None:
    lock = lock_working_dir(made)
    try:
        result = run("update", input="\n")
        assert "A server is running" in result.stderr
        assert asked() == ""
        assert "A server is running" in run("update", "--yes").stderr
    finally:
        lock.release()
    assert asked() == "tool upgrade copaw\n"


def test_a_checkout_is_told_how(run, made: Path, monkeypatch: pytest.MonkeyPatch, asked) -> None:
    checkout = Installation(How.CHECKOUT, Path("/src/copaw"), sys.executable)
    monkeypatch.setattr("copaw.cli.update.installation", lambda: checkout)
    result = run("update", "--yes")
    assert "git -C /src/copaw pull --ff-only" in result.stdout
    assert asked() == ""
