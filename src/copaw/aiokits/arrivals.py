"""Work on the event loop that can wait, among requests that cannot."""

from __future__ import annotations

import asyncio
import math

_STEPS_UNTIL_NOTED = 3
"""Of the event loop: accept a connection, read from it, hand the request over."""
_OPENING_S = 0.002
"""Longer than a request takes from then on until its first event is out, if nothing else is in its way."""
_AT_MOST_S = 0.005
_PAUSE_S = 0.0005


class Arrivals:
    """When a request came last whose first event somebody waits for. Used from one event loop."""

    def __init__(self) -> None:
        self._last = -math.inf

    def note(self) -> None:
        """A request came."""
        self._last = asyncio.get_running_loop().time()

    async def give_way(self) -> None:
        """Let requests that are arriving be answered before the caller goes on, but wait 5 ms at most.

        A request takes a handful of steps of the loop until its first event. With ``asyncio.sleep(0)`` alone it would
        wait for the next piece of the caller's work at each of them.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _AT_MOST_S
        if not self._opening(loop.time()):
            for _ in range(_STEPS_UNTIL_NOTED):
                await asyncio.sleep(0)
        # Bounded by time and not by steps: those of a loop with too much to do are long.
        while self._opening(loop.time()) and loop.time() < until:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(_PAUSE_S)

    def _opening(self, now: float) -> bool:
        return now - self._last < _OPENING_S
