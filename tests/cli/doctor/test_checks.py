from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from copaw.aiokits.files import set_aside
from copaw.cli.doctor import leftover
from copaw.cli.doctor.checks import examine, worst
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.transport import ServerRefused
from copaw.errors import NotFound


def well(_subject: Subject) -> Iterator[Finding]:
    yield Finding("x", Level.OK, "well")


@pytest.mark.parametrize("error", [NotFound("gone"), PermissionError("no"), ZeroDivisionError("bug")])
def test_a_check_that_fails_is_a_finding_and_stops_no_other(subject: Subject, error: Exception) -> None:
    def fails(_subject: Subject) -> Iterator[Finding]:
        yield Finding("x", Level.WARN, "first")
        raise error

    findings = list(examine(subject, [fails, well]))
    assert [finding.level for finding in findings] == [Level.WARN, Level.ERROR, Level.OK]
    assert str(error) in findings[1].what


@pytest.mark.parametrize(("environ", "mend"), [({"COPAW_API_TOKEN": "x"}, "unset"), ({}, "export")])
def test_a_server_that_lets_nobody_in_says_so_once(subject: Subject, environ: dict[str, str], mend: str) -> None:
    def refused(_subject: Subject) -> Iterator[Finding]:
        yield from ()
        raise ServerRefused(401, "Log in first.")

    findings = list(examine(replace(subject, environ=environ), [refused, refused, well]))
    assert [finding.level for finding in findings] == [Level.ERROR, Level.OK]
    assert "Log in first." in findings[0].what
    assert findings[0].mend.startswith(f"{mend} COPAW_API_TOKEN")


def test_the_worst_counts() -> None:
    levels = [Level.OK, Level.ERROR, Level.WARN]
    assert worst(Finding("x", level, "") for level in levels) is Level.ERROR
    assert worst(Finding("x", level, "") for level in (Level.OK, Level.WARN)) is Level.WARN
    assert worst([]) is Level.OK


def test_leftovers_are_counted(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(subject.paths.secret_dir))
    assert bad(leftover.check_leftovers(subject)) == []
    set_aside(subject.paths.working_dir / "workspaces" / "default" / "chats.json")
    ((level, what),) = bad(leftover.check_leftovers(subject))
    assert (level, "1 file, such as" in what) == ("warn", True)


def _config_with(home: Path, value: object) -> None:
    file = home / "config.json"
    config = json.loads(file.read_text())
    config["agents"]["profiles"]["default"]["workspace_dir"] = value
    file.write_text(json.dumps(config))


def _replace(path: Path, *, by_directory: bool) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.mkdir() if by_directory else path.write_bytes(b"\xff\x00")


BREAK: dict[str, Callable[[Path], None]] = {
    "unknown user": lambda home: _config_with(home, "~nobody-of-that-name/x"),
    "no path": lambda home: _config_with(home, "\0"),
    "too long": lambda home: _config_with(home, "x" * 5000),
    "working directory": lambda home: _config_with(home, ".."),
    "config is a directory": lambda home: _replace(home / "config.json", by_directory=True),
    "agent is a directory": lambda home: _replace(home / "workspaces/default/agent.json", by_directory=True),
    "sessions is a file": lambda home: _replace(home / "workspaces/default/sessions", by_directory=False),
    "jobs is a directory": lambda home: _replace(home / "workspaces/default/jobs.json", by_directory=True),
    "workspaces is a file": lambda home: _replace(home / "workspaces", by_directory=False),
    "secrets is a file": lambda home: _replace(home.parent / "secret", by_directory=False),
    "provider is a directory": lambda home: (home.parent / "secret/providers/custom/x.json").mkdir(parents=True),
    "database is a directory": lambda home: _replace(home / "copaw.db", by_directory=True),
    "dangling": lambda home: (home.parent / "secret" / "link").symlink_to("nowhere"),
    "runtime": lambda home: _replace(home / "runtime.json", by_directory=True),
}


@pytest.mark.parametrize("how", BREAK)
def test_no_check_fails_itself_whatever_the_home_is_like(subject: Subject, made: Path, how: str) -> None:
    BREAK[how](made)
    findings = list(examine(subject))
    assert [finding.what for finding in findings if "check itself failed" in finding.what] == []
    assert len({finding.check for finding in findings}) > 4
