from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from copaw.aiokits.files import set_aside
from copaw.cli import leftovers
from copaw.paths import Paths


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    found = Paths(working_dir=tmp_path / "copaw", secret_dir=tmp_path / "copaw.secret")
    found.working_dir.mkdir()
    found.secret_dir.mkdir()
    return found


def aged(path: Path, hours: float) -> Path:
    path.touch() if not path.exists() else None
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_old_temporary_and_set_aside_files_are_found_wherever_copaw_writes(paths: Paths, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sessions").mkdir(parents=True)
    profiles = {"far": {"workspace_dir": str(elsewhere)}, "near": {"workspace_dir": str(paths.working_dir / "w")}}
    paths.config_file.write_text(json.dumps({"agents": {"profiles": profiles}}))
    half = aged(paths.secret_dir / ".0123456789abcdef.tmp", 2)
    session = elsewhere / "sessions" / "u_s.json"
    session.write_text("{")
    damaged = set_aside(session)
    aged(paths.working_dir / ".0123456789abcdee.tmp", 0.1)
    (paths.working_dir / "notes.tmp").touch()
    (paths.working_dir / "agent.json.bak").touch()
    assert {item.path for item in leftovers.find(paths)} == {half, damaged}
    assert leftovers.outside_workspaces(paths) == {"far": elsewhere}


def test_what_was_being_unpacked_is_found_after_a_day(paths: Paths) -> None:
    for name, hours in ((".upload-a", 30), (".upload-b", 1), ("custom_channels/.installing-c", 30)):
        directory = paths.working_dir / name
        directory.mkdir(parents=True)
        aged(directory, hours)
    found = [item.path.relative_to(paths.working_dir).as_posix() for item in leftovers.find(paths)]
    assert found == [".upload-a", "custom_channels/.installing-c"]


def test_homes_of_killed_runs_are_found_after_a_day(paths: Paths, tmp_path: Path) -> None:
    for name, hours in (("copaw-task-a", 30), ("copaw-drill-b", 30), ("copaw-task-new", 1), ("other", 30)):
        directory = tmp_path / "tmp" / name
        directory.mkdir()
        aged(directory, hours)
    (tmp_path / "tmp" / "copaw-task-link").symlink_to(tmp_path)
    assert [item.path.name for item in leftovers.find(paths)] == ["copaw-drill-b", "copaw-task-a"]


def profile(workspace_dir: object) -> str:
    return json.dumps({"agents": {"profiles": {"a": {"workspace_dir": workspace_dir}}}})


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"agents": null}', '{"agents": {"profiles": {"a": {}}}}', "\udcff"]
    + [profile(value) for value in ("", "~nobody/x", "\0", "x" * 5000, 3, None)],
)
def test_a_broken_configuration_hides_nothing_else(paths: Paths, text: str) -> None:
    paths.config_file.write_bytes(text.encode("utf-8", "surrogateescape"))
    half = aged(paths.working_dir / ".0123456789abcdef.tmp", 2)
    assert [item.path for item in leftovers.find(paths)] == [half]
