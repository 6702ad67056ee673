"""Random identifiers.

The randomness comes in bulk: each call of the system gives the interpreter's lock to whatever thread waits for it,
and a turn needs a dozen identifiers. It is as good as that of :mod:`secrets`; secrets themselves are made there.
"""

from __future__ import annotations

import os
import uuid

_SIZE = 16
_BULK = 256
_drawn: list[bytes] = []
# Two processes must not go on with the same ones.
os.register_at_fork(after_in_child=_drawn.clear)


def new_uuid() -> str:
    """A random UUID (version 4) as text, such as ``2f1c4a86-…``."""
    return str(uuid.UUID(bytes=_draw(), version=4))


def new_token() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return _draw().hex()


def _draw() -> bytes:
    try:
        return _drawn.pop()  # atomic, so that threads may draw as well
    except IndexError:
        bulk = os.urandom(_SIZE * _BULK)
        first, *others = (bulk[start : start + _SIZE] for start in range(0, len(bulk), _SIZE))
        _drawn.extend(others)
        return first
