"""Cron expressions: standard numbers and names, one time zone a job, and the days on which clocks change."""

from __future__ import annotations

from datetime import datetime

import pytest

from copaw.app.crons.cron_expression import parse_cron
from copaw.errors import BadInput


def due(expression: str, zone: str, since: str, count: int) -> list[str]:
    """The due times after a local time, as local times."""
    schedule = parse_cron(expression, zone)
    at = datetime.fromisoformat(since).replace(tzinfo=schedule.zone).timestamp()
    found = []
    for _ in range(count):
        following = schedule.next_after(at, at)
        assert following is not None
        assert following > at
        at = following
        found.append(datetime.fromtimestamp(at, schedule.zone).strftime("%a %d %H:%M%z"))
    return found


@pytest.mark.parametrize("days", ["1-5", "mon-fri", "MON,tue,3,4,5", "1-4,fri"])
def test_days_of_the_week_count_from_sunday_or_go_by_name(days: str) -> None:
    assert due(f"0 9 * * {days}", "UTC", "2026-11-20T10:00", 2) == ["Mon 23 09:00+0000", "Tue 24 09:00+0000"]


@pytest.mark.parametrize("day", ["0", "7", "sun"])
def test_sunday_has_two_numbers(day: str) -> None:
    assert due(f"0 9 * * {day}", "UTC", "2026-11-20T10:00", 1) == ["Sun 22 09:00+0000"]


def test_a_range_of_days_may_go_over_the_weekend() -> None:
    assert due("0 0 * * fri-mon", "UTC", "2026-11-20T10:00", 4) == [
        "Sat 21 00:00+0000", "Sun 22 00:00+0000", "Mon 23 00:00+0000", "Fri 27 00:00+0000",
    ]  # fmt: skip


def test_steps_of_days_count_from_sunday() -> None:
    assert due("0 0 * * */3", "UTC", "2026-11-20T10:00", 3) == [
        "Sat 21 00:00+0000", "Sun 22 00:00+0000", "Wed 25 00:00+0000",
    ]  # fmt: skip


def test_a_job_follows_the_clock_of_its_own_time_zone() -> None:
    assert due("0 9 * * *", "Asia/Shanghai", "2026-11-20T08:00", 1) == ["Fri 20 09:00+0800"]


def test_a_local_time_that_is_skipped_is_due_when_the_clock_goes_on() -> None:
    assert due("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == ["Sun 29 03:00+0200", "Mon 30 02:30+0200"]


def test_a_local_time_that_comes_twice_is_due_once() -> None:
    assert due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == ["Sun 25 02:30+0200", "Mon 26 02:30+0100"]


def test_two_times_that_fall_together_are_due_once() -> None:
    assert due("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", 3) == [
        "Sun 29 03:00+0200", "Sun 29 03:30+0200", "Mon 30 02:00+0200",
    ]  # fmt: skip


def test_an_hourly_job_follows_the_time_that_passes() -> None:
    assert due("0 * * * *", "Europe/Berlin", "2026-10-25T01:30", 3) == [
        "Sun 25 02:00+0200", "Sun 25 02:00+0100", "Sun 25 03:00+0100",
    ]  # fmt: skip
    assert due("30 * * * *", "Europe/Berlin", "2026-03-29T01:00", 2) == ["Sun 29 01:30+0100", "Sun 29 03:30+0200"]


@pytest.mark.parametrize(
    ("zone", "day"), [("Australia/Lord_Howe", "2026-04-04T23:59"), ("America/New_York", "2026-11-01T00:30")]
)
def test_every_minute_of_a_day_with_a_change_comes_once(zone: str, day: str) -> None:
    schedule = parse_cron("* * * * *", zone)
    first = at = datetime.fromisoformat(day).replace(tzinfo=schedule.zone).timestamp()
    for minute in range(1, 400):
        following = schedule.next_after(at, at)
        assert following == first + 60 * minute
        at = following


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "a * * * *",
        ),
        *("* * * * mon-", "* * * * /2", "*/0 * * * *", "* * * * */0", "5-1 * * * *", "0 0 31 2 *", "* " * 300),
    ],
)
def test_an_expression_that_is_not_valid_names_the_field(expression: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_cron(expression, "UTC")
    assert error.value.field == "schedule.cron"
    assert "Example" in error.value.message


@pytest.mark.parametrize("zone", ["", "Mars", "../UTC", "America", "\0"])
def test_a_time_zone_that_does_not_exist_names_the_field(zone: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_cron("* * * * *", zone)
    assert error.value.field == "schedule.timezone"
