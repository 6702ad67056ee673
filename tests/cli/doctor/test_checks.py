from __future__ import annotations

from collections.abc import Iterator

import pytest

from copaw.aiokits.files import set_aside
from copaw.cli.doctor import leftover
from copaw.cli.doctor.checks import examine, worst
from copaw.cli.doctor.finding import Finding, Level, Subject
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
