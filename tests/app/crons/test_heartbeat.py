"""The heartbeat: how often, at what hours, and with what words."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from copaw.app.crons.heartbeat import parse_every, parse_hours, read_prompt
from copaw.app.crons.triggers import Interval
from copaw.config.models import HeartbeatConfig
from copaw.errors import BadInput, ConfigFileError


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("6h", 21600), ("1h30m", 5400), ("1d", 86400), (" 90S ", 90), ("2h0m5s", 7205)]
)
def test_a_duration_is_understood(text: str, seconds: float) -> None:
    assert parse_every(text, "UTC") == Interval(seconds)


def test_a_cron_expression_follows_the_users_clock() -> None:
    trigger = parse_every("0 9 * * *", "Asia/Shanghai")
    at = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    assert trigger.next_after(at, at) == at + 3600


@pytest.mark.parametrize("text", ["", "soon", "1", "m", "1h 30m", "-1h", "0m", "30s", "9999999d", "* * * *", "1.5h"])
def test_what_is_no_interval_names_the_field(text: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_every(text, "UTC")
    assert error.value.field == "every"
    assert error.value.message.startswith("every:")


def within(start: str, end: str, zone: str = "UTC") -> list[int]:
    """The full hours (UTC) of a day that lie within."""
    config = HeartbeatConfig.model_validate({"activeHours": {"start": start, "end": end}})
    hours = parse_hours(config, zone)
    assert hours is not None
    return [hour for hour in range(24) if hours.contain(datetime(2026, 11, 20, hour, tzinfo=UTC).timestamp())]


def test_active_hours_begin_with_their_start_and_stop_before_their_end() -> None:
    assert within("08:00", "22:00") == list(range(8, 22))


def test_active_hours_may_go_over_midnight() -> None:
    assert within("22:00", "03:00") == [0, 1, 2, 22, 23]


def test_active_hours_are_those_of_the_user() -> None:
    assert within("08:00", "10:00", "Asia/Shanghai") == [0, 1]


def test_equal_hours_and_24_00_reach_to_the_end_of_the_day() -> None:
    assert len(within("08:00", "08:00")) == 24
    assert within("20:00", "24:00") == [20, 21, 22, 23]


def test_without_hours_every_hour_is_active() -> None:
    assert parse_hours(HeartbeatConfig(), "UTC") is None


@pytest.mark.parametrize(
    ("start", "end", "field"), [("8:00", "22:00", "start"), ("24:00", "22:00", "start"), ("08:00", "22:60", "end")]
)
def test_what_is_no_time_of_day_names_the_field(start: str, end: str, field: str) -> None:
    with pytest.raises(BadInput) as error:
        within(start, end)
    assert error.value.field == f"activeHours.{field}"


@pytest.mark.parametrize(
    "text", ["", "\n \n", "# Heartbeat\n\n## More\n", "<!-- nothing\n yet -->\n# H", "- \n* [ ]\n---", "<!-- open"]
)
def test_a_file_that_says_nothing_gives_no_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "H.md").write_text(text)
    assert read_prompt(tmp_path / "H.md") == ""
    assert read_prompt(tmp_path / "missing.md") == ""


def test_the_file_of_a_new_agent_gives_no_words(tmp_path: Path) -> None:
    for language in ("en", "zh"):
        template = resources.files("copaw.config.templates") / language / "HEARTBEAT.md"
        (tmp_path / "H.md").write_bytes(template.read_bytes())
        assert read_prompt(tmp_path / "H.md") == ""


def test_a_file_that_says_something_gives_it_without_its_comments(tmp_path: Path) -> None:
    (tmp_path / "H.md").write_text("# List\n<!-- hidden -->\n- look at the mail\n")
    assert read_prompt(tmp_path / "H.md") == "# List\n\n- look at the mail"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "H.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigFileError, match=r"H\.md"):
        read_prompt(tmp_path / "H.md")
