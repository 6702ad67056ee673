"""Counting what is alive, to see that nothing is left over."""

from __future__ import annotations

import gc
from collections import Counter


def live_objects() -> Counter[str]:
    """How many objects there are, by kind.

    Cancelled timers of the event loop and dead weak references are cleared away now and then, a few hundred at a time:
    compare what is far enough apart.
    """
    gc.collect()
    return Counter(type(thing).__qualname__ for thing in gc.get_objects())
