"""How many heaps the C library makes for the threads of a server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping

HEAPS = 2
_M_ARENA_MAX = -8


def share_heaps(environ: Mapping[str, str]) -> None:
    """Let all threads share :data:`HEAPS` heaps. To be called before there are any.

    glibc gives each thread its own, up to eight a core, and what is free in one is of no use to another: ten threads
    that write files in turn keep 10 MB for nothing. Whoever has set ``MALLOC_ARENA_MAX`` is left alone, as are systems
    with another C library.
    """
    if not sys.platform.startswith("linux"):
        return
    if "MALLOC_ARENA_MAX" in environ or "malloc.arena_max" in environ.get("GLIBC_TUNABLES", ""):
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # another C library has no such function
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)
