"""The time of day."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The clock of this machine. Implements :class:`copaw.ports.Clock`."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class LoopClock:
    """A clock that goes with the event loop, and so stands still or leaps with a virtual one.

    :param epoch: what time it was when the loop's time was 0, in seconds since the epoch.
    """

    def __init__(self, epoch: float = 0.0) -> None:
        self.epoch = epoch

    def time(self) -> float:
        return self.epoch + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
