"""Counting what is alive, to see that nothing is left over."""

from __future__ import annotations

import gc
from collections import Counter

_OF_THE_LOOP = ("Context", "ReferenceType", "TimerHandle")


def live_objects() -> Counter[str]:
    """How many objects there are, by kind, without what the event loop keeps for a while: timers and references."""
    gc.collect()
    found = Counter(type(thing).__qualname__ for thing in gc.get_objects())
    for kind in _OF_THE_LOOP:
        del found[kind]
    return found
