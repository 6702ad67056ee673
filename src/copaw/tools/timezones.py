"""Time zones by their IANA names."""

from __future__ import annotations

import difflib
from zoneinfo import ZoneInfo, available_timezones

from copaw.errors import BadInput


def zone(name: str) -> ZoneInfo:
    """The zone of a name such as ``Europe/Paris``. Reads files: call it in a thread.

    :raises BadInput: there is none; the message names similar ones.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = difflib.get_close_matches(name, sorted(available_timezones()), n=5, cutoff=0.5)
        hint = f" Did you mean: {', '.join(near)}?" if near else " Examples: UTC, Europe/Berlin, Asia/Shanghai."
        raise BadInput(f"{name!r} is not the name of an IANA time zone.{hint}", field="timezone_name") from error
