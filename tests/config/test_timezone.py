from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from copaw.config.timezone import system_timezone


def test_the_variable_wins(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("Asia/Shanghai\n")
    assert system_timezone({"TZ": ":Europe/Berlin"}, name_file=tmp_path / "name") == "Europe/Berlin"


def test_the_file_comes_next_and_the_link_last(tmp_path: Path) -> None:
    zones = tmp_path / "zoneinfo" / "Asia"
    zones.mkdir(parents=True)
    (zones / "Tokyo").write_text("")
    (tmp_path / "localtime").symlink_to(zones / "Tokyo")
    (tmp_path / "name").write_text("Asia/Shanghai\n")
    link = tmp_path / "localtime"
    assert system_timezone({}, name_file=tmp_path / "name", zone_link=link) == "Asia/Shanghai"
    assert system_timezone({}, name_file=tmp_path / "none", zone_link=link) == "Asia/Tokyo"


def test_names_that_are_no_zone_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("../../etc/passwd")
    missing = tmp_path / "none"
    for text in ("Nowhere/Land", "", "/etc/localtime", "CST-8"):
        assert system_timezone({"TZ": text}, name_file=tmp_path / "name", zone_link=missing) == "UTC"


def test_this_machine_has_one() -> None:
    assert ZoneInfo(system_timezone())
