from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from copaw.app.background.server_lock import lock_working_dir


def test_it_shows_first_and_removes_after_a_yes(run, made: Path) -> None:
    result = run("clean", input="n\n")
    assert result.exit_code == 1
    assert str(made / "workspaces") in result.stdout
    assert made.joinpath("config.json").exists()
    result = run("clean", input="y\n")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "Removed 2.")
    assert [path.name for path in made.iterdir() if path.name != "copaw.lock"] == []


def test_dry_run_removes_nothing(run, made: Path) -> None:
    result = run("clean", "--dry-run", "--yes")
    assert result.exit_code == 0
    assert "Would be removed:" in result.stdout
    assert (made / "config.json").exists()


def test_secrets_and_workspaces_elsewhere_stay_and_are_named(run, made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    config = made / "config.json"
    config.write_text(config.read_text().replace(str(made / "workspaces" / "default"), str(elsewhere)))
    result = run("clean", "--yes")
    assert f"Stays: {elsewhere} (agent default)" in result.stdout
    assert f"Stays: {tmp_path / 'secret'} (keys)" in result.stdout
    assert elsewhere.is_dir()
    assert (tmp_path / "secret" / "providers").is_dir()


def test_it_refuses_while_a_server_runs(run, made: Path) -> None:
    lock = lock_working_dir(made)
    try:
        result = run("clean", "--yes")
    finally:
        lock.release()
    assert result.exit_code == 1
    assert "copaw shutdown" in result.stderr
    assert (made / "config.json").exists()


def test_without_a_home_there_is_nothing_to_remove(run, home: Path) -> None:
    result = run("clean", "--yes")
    assert (result.exit_code, result.stdout) == (0, "There is nothing to remove.\n")
    assert not home.exists()


def test_a_directory_that_is_not_copaws_is_left_alone(run, home: Path) -> None:
    home.mkdir()
    (home / "thesis.txt").touch()
    result = run("clean", "--yes")
    assert result.exit_code == 2
    assert "COPAW_WORKING_DIR" in result.stderr
    assert (home / "thesis.txt").exists()


def test_the_program_that_runs_is_not_data(run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "venv").mkdir()
    (made / "bin").mkdir()
    monkeypatch.setattr(sys, "prefix", str(made / "venv"))
    assert run("clean", "--yes").exit_code == 0
    assert sorted(path.name for path in made.iterdir() if path.name != "copaw.lock") == ["bin", "venv"]


def test_secrets_below_the_working_directory_stay(run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = made / "private" / "secret"
    (secret / "providers").mkdir(parents=True)
    monkeypatch.setenv("COPAW_SECRET_DIR", str(secret))
    assert run("clean", "--yes").exit_code == 0
    assert (secret / "providers").is_dir()
    assert not (made / "config.json").exists()


def test_secrets_that_nothing_tells_apart_are_not_touched(run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPAW_SECRET_DIR", str(made))
    result = run("clean", "--yes")
    assert result.exit_code == 2
    assert "remove by hand" in result.stderr
    assert (made / "config.json").exists()


def test_leftovers_go_while_a_server_runs_and_nothing_else(run, made: Path) -> None:
    half = made / ".0123456789abcdef.tmp"
    half.touch()
    os.utime(half, (time.time() - 7200,) * 2)
    lock = lock_working_dir(made)
    try:
        result = run("clean", "--leftovers", "--yes")
    finally:
        lock.release()
    assert result.exit_code == 0
    assert not half.exists()
    assert (made / "config.json").exists()
