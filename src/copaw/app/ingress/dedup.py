"""Which messages came in before."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class SeenIds:
    """Remembers ids, the newest ``size`` of them, for ``ttl_s`` seconds each since they were first seen.

    :param clock: monotonic seconds.
    """

    def __init__(self, size: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._clock = clock
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def add(self, item: Hashable) -> bool:
        """Remember ``item``. ``False`` if it was known already."""
        now = self._clock()
        self._expire(now)
        if item in self._seen:
            return False
        self._seen[item] = now + self._ttl_s
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)
        return True

    def _expire(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) <= now:
            self._seen.popitem(last=False)

    def __len__(self) -> int:
        return len(self._seen)
