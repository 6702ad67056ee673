"""Waking an agent from time to time: how often, when, and with what words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from copaw.app.crons.cron_expression import parse_cron, zone_of
from copaw.app.crons.triggers import Interval, Trigger
from copaw.config.models import HeartbeatConfig
from copaw.errors import BadInput, ConfigFileError

TARGETS = ("main", "last")
MIN_EVERY_S = 60.0
MAX_EVERY_S = 366 * 24 * 3600.0

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOTHING = re.compile(r"#{1,6}(?:\s.*)?|[-*+](?:\s*\[[ xX]?\])?|-{3,}|\*{3,}|_{3,}")


def parse_every(text: str, timezone: str) -> Trigger:
    """How often: a duration (``30m``, ``6h``, ``1h30m``, ``1d``) or five fields of a cron expression.

    :param timezone: of the cron expression.
    :raises BadInput: it is neither; names the field ``every``.
    """
    plain = text.strip().lower()
    if len(plain.split()) > 1:
        try:
            return parse_cron(text.strip(), timezone, prefix="")
        except BadInput as error:
            raise BadInput(error.message.replace("cron:", "every:", 1), field="every") from error
    match = _DURATION.fullmatch(plain)
    if match is None or not plain:
        shown = text[:40]
        raise BadInput(
            f"every: {shown!r} is no duration such as 30m, 6h or 1h30m, and no cron expression of five fields.",
            field="every",
        )
    every_s = float(sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True)))
    if not MIN_EVERY_S <= every_s <= MAX_EVERY_S:
        raise BadInput(f"every: {text!r} must be between 1m and 366d.", field="every")
    return Interval(every_s)


@dataclass(frozen=True, slots=True)
class ActiveHours:
    """The hours in which it may wake up, on the clock of ``zone``. An end before the start is on the next day.

    Equal ones mean the whole day. The start belongs to it, the end does not; ``24:00`` is the end of the day.
    """

    start: time
    end: time | None
    zone: ZoneInfo

    def contain(self, moment: float) -> bool:
        """Whether an instant, in seconds since the epoch, lies within."""
        now = datetime.fromtimestamp(moment, self.zone).time()
        if self.end is None:
            return now >= self.start
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


def parse_hours(config: HeartbeatConfig, timezone: str) -> ActiveHours | None:
    """The active hours; ``None`` if it may wake up at any time.

    :raises BadInput: names ``activeHours.start`` or ``activeHours.end``.
    """
    hours = config.activeHours
    if hours is None:
        return None
    start = _clock(hours.start, "activeHours.start")
    if start is None:
        raise BadInput("activeHours.start: a day begins at 00:00, not 24:00.", field="activeHours.start")
    return ActiveHours(start, _clock(hours.end, "activeHours.end"), zone_of(timezone, field="user_timezone"))


def _clock(text: str, field: str) -> time | None:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{field}: {text[:40]!r} is no time of day such as 08:00.", field=field)
    return None if match[1] is None else time(int(match[1]), int(match[2]))


def check_heartbeat(config: HeartbeatConfig, timezone: str) -> None:
    """:raises BadInput: a field cannot be used, whether the heartbeat is switched on or not."""
    parse_every(config.every, timezone)
    parse_hours(config, timezone)
    if config.target not in TARGETS:
        raise BadInput(f"target: {config.target[:40]!r} must be one of {', '.join(TARGETS)}.", field="target")


def read_prompt(path: Path) -> str:
    """What the agent is told when it wakes up: the file without comments. Empty if nothing is left to do. Blocking.

    :raises ConfigFileError: it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigFileError(path, f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ConfigFileError(path, f"cannot be read: {error.strerror}") from error
    kept = _COMMENT.sub("", text).strip()
    lines = (line.strip() for line in kept.splitlines())
    return kept if any(line and not _NOTHING.fullmatch(line) for line in lines) else ""


def grace_of(trigger: Trigger) -> float:
    """How late a wake-up is made up for, in seconds: a missed one once, after a pause of the server."""
    return trigger.every_s if isinstance(trigger, Interval) else timedelta(hours=1).total_seconds()
