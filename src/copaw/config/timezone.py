"""The time zone of this machine, as an IANA name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

_FALLBACK = "UTC"


def system_timezone(
    environ: Mapping[str, str] | None = None,
    *,
    name_file: Path = Path("/etc/timezone"),
    zone_link: Path = Path("/etc/localtime"),
) -> str:
    """``TZ``, else the system's setting, else ``UTC``: the first that names a zone that exists."""
    env = os.environ if environ is None else environ
    for candidate in (env.get("TZ", "").lstrip(":"), _first_line(name_file), _linked_zone(zone_link)):
        if _exists(candidate):
            return candidate
    return _FALLBACK


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip().split("\n", 1)[0]
    except (OSError, ValueError):
        return ""


def _linked_zone(path: Path) -> str:
    try:
        target = path.resolve(strict=True).as_posix()
    except OSError:
        return ""
    return target.partition("/zoneinfo/")[2]


def _exists(name: str) -> bool:
    try:
        return bool(name) and ZoneInfo(name).key == name
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError with an odd base on some systems
        return False
    except KeyError:
        return False
