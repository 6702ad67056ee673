from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from copaw.cli.doctor import clock
from copaw.cli.doctor.finding import Subject


def test_the_time_is_well(subject: Subject, bad) -> None:
    assert bad(clock.check_clock(subject)) == []
    assert bad(clock.check_timezone(subject)) == []


def test_a_clock_of_long_ago(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert [level for level, _ in bad(clock.check_clock(subject))] == ["error"]


def test_a_clock_that_went_back(subject: Subject, made: Path, bad) -> None:
    ahead = time.time() + 3600
    os.utime(made / "config.json", (ahead, ahead))
    assert [level for level, _ in bad(clock.check_clock(subject))] == ["warn"]


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", ""])
def test_a_time_zone_that_is_none(subject: Subject, made: Path, bad, name: str) -> None:
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps({**config, "user_timezone": name}))
    ((level, what),) = bad(clock.check_timezone(subject))
    assert (level, repr(name) in what) == ("error", True)
