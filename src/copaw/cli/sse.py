"""Reading server-sent events whose data is JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from copaw.ports import Json


def read_events(lines: Iterable[bytes]) -> Iterator[Json]:
    """Yield the JSON object of each frame. ``id:``, ``event:``, comments and an unfinished last frame are skipped.

    :param lines: with their line ends.
    """
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield from _object("\n".join(data))
            data = []


def _object(text: str) -> Iterator[Json]:
    try:
        event = json.loads(text)
    except ValueError:
        # "[DONE]" and the like are not events of this protocol.
        return
    if isinstance(event, dict):
        yield event
