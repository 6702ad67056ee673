"""Cron expressions: minute, hour, day of month, month, day of week.

Each field takes ``*``, numbers, ranges (``1-5``), steps (``*/15``) and lists of these. Months and days of the week may
be given by their first three letters; day 0 and day 7 are Sunday. All fields must match: a day of the month *and* a
day of the week together mean days that are both.

Where clocks are changed, a job whose hour is ``*`` follows the time that passes. For any other hour each local time
counts once: a time that comes twice is due the first time, a time that is skipped is due when the clock goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

from copaw.errors import BadInput

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_HORIZON = timedelta(days=50 * 366)
_EVERY_HOUR = ("*", "*/1")
_MAX_CHARS = 200


def zone_of(name: str, *, field: str) -> ZoneInfo:
    """The time zone of an IANA name.

    :raises BadInput: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        shown = name[:40]
        raise BadInput(
            f"{field}: {shown!r} is no time zone. Use an IANA name such as UTC or Europe/Berlin.", field=field
        ) from None


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The due times of an expression. Made by :func:`parse_cron`."""

    expression: str
    zone: ZoneInfo
    hourly: bool
    _trigger: Any = field(compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        return f"{self.expression} {self.zone.key}"

    def next_after(self, after: float, anchor: float) -> float | None:
        moment = datetime.fromtimestamp(after, UTC)
        return self._next_real(moment) if self.hourly else self._next_local(moment)

    def _next_real(self, moment: datetime) -> float | None:
        found = self._matching((moment + timedelta(microseconds=1)).astimezone(self.zone))
        return None if found is None else found.timestamp()

    def _next_local(self, moment: datetime) -> float | None:
        # Wall clock times are told apart from instants: the trigger counts in a zone that has no changes.
        wall = moment.astimezone(self.zone).replace(tzinfo=UTC, fold=0)
        while (found := self._matching(wall + timedelta(microseconds=1))) is not None:
            due = _instant(found.replace(tzinfo=None), self.zone)
            if due > moment:
                return due.timestamp()
            wall = found
        return None

    def _matching(self, start: datetime) -> datetime | None:
        self._trigger.end_date = start + _HORIZON
        found: datetime | None = self._trigger.get_next_fire_time(None, start)
        return found


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a wall clock shows this for the first time, or would: then when it goes on."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Skipped. Read with the offset that is in force afterwards it lies before the gap, with the earlier one behind it.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(early, first, zone)


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset of ``zone`` changes, between two instants."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def parse_cron(expression: str, timezone: str, *, prefix: str = "schedule.", seconds: bool = False) -> CronSchedule:
    """Parse an expression.

    :param prefix: of the fields' names in errors.
    :param seconds: a sixth field, the first one, is for seconds.
    :raises BadInput: ``cron`` or ``timezone`` is not valid; or it is never due.
    """
    where = f"{prefix}cron"
    zone = zone_of(timezone, field=f"{prefix}timezone")
    names = ("second", *_FIELDS) if seconds else _FIELDS
    parts = expression.split()
    if len(parts) != len(names) or len(expression) > _MAX_CHARS:
        raise _wrong(where, expression, f"it needs {len(names)} fields: {', '.join(names).replace('_', ' ')}")
    values = dict(zip(names, (part.lower() for part in parts), strict=True))
    hourly = values["hour"] in _EVERY_HOUR
    try:
        values["day_of_week"] = _weekdays(values["day_of_week"])
        trigger = CronTrigger(**{"second": "0", **values}, timezone=zone if hourly else UTC)
    except (ValueError, TypeError) as error:
        raise _wrong(where, expression, str(error)) from error
    schedule = CronSchedule(" ".join(parts), zone, hourly, trigger)
    if schedule.next_after(datetime(2024, 1, 1, tzinfo=UTC).timestamp(), 0) is None:
        raise _wrong(where, expression, "there is no such day")
    return schedule


def _wrong(where: str, expression: str, why: str) -> BadInput:
    return BadInput(f"{where}: {expression[:40]!r} cannot be used: {why}. Example: '0 9 * * mon-fri'.", field=where)


def _weekdays(text: str) -> str:
    """Days of the week by name: numbers count from Monday in the library and from Sunday in cron."""
    days: set[int] = set()
    for item in text.split(","):
        days |= _weekday_item(item)
    return "*" if len(days) == len(_DAYS) else ",".join(_DAYS[day] for day in sorted(days))


def _weekday_item(item: str) -> set[int]:
    span, slash, step_text = item.partition("/")
    first_text, dash, last_text = span.partition("-")
    step = _number(step_text, 1, 7) if slash else 1
    if first_text == "*" and not dash:
        first, last = 0, 6
    else:
        first = _weekday(first_text)
        last = _weekday(last_text) if dash else (6 if slash else first)
    if last < first:
        last += 7  # such as sat-sun or fri-mon
    return {day % 7 for day in range(first, last + 1, step)}


def _weekday(text: str) -> int:
    return _DAYS.index(text) if text in _DAYS else _number(text, 0, 7)


def _number(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ValueError(f"day of week: {text!r} is no number from {low} to {high} and no name such as mon")
    return int(text)
