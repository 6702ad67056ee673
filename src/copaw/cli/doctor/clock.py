"""The clock and the time zone, on which schedules and tokens depend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from copaw.cli.doctor.finding import Finding, Level, Subject, edit
from copaw.config.timezone import system_timezone

CHECK = "clock"
MAX_AHEAD_S = 300.0
_MADE_IN_2026_S = 1_767_225_600.0
_SET_CLOCK = "sudo timedatectl set-ntp true"


def check_clock(subject: Subject) -> Iterator[Finding]:
    """The clock is not behind what it said before."""
    now = time.time()
    if now < _MADE_IN_2026_S:
        yield Finding(CHECK, Level.ERROR, f"The clock says {_shown(now)}, before this version was made.", _SET_CLOCK)
        return
    files = [subject.paths.working_dir / "runtime.json", subject.paths.log_file, subject.paths.config_file]
    newest = max((path.stat().st_mtime for path in files if path.exists()), default=now)
    if newest > now + MAX_AHEAD_S:
        what = f"Files were written at {_shown(newest)}, but the clock says {_shown(now)}."
        yield Finding(CHECK, Level.WARN, what, _SET_CLOCK)


def check_timezone(subject: Subject) -> Iterator[Finding]:
    """The user's time zone is one."""
    root = subject.root()
    name = root.user_timezone if root is not None else system_timezone()
    try:
        there = datetime.now(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        what = f"The time zone {name!r} in {subject.paths.config_file} does not exist."
        yield Finding(CHECK, Level.ERROR, what, edit(Path(subject.paths.config_file)))
        return
    yield Finding(CHECK, Level.OK, f"It is {there:%Y-%m-%d %H:%M} in {name}.")


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="minutes")
