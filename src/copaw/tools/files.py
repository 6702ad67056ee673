"""File work off the event loop, and files written whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from copaw.aiokits.files import write_atomic
from copaw.errors import BadInput, Conflict

R = TypeVar("R")

_LOCK_WAIT_S = 5.0
_LOCK_LOOK_S = 0.01


async def in_thread(work: Callable[[threading.Event], R]) -> R:
    """Run blocking work in a thread.

    A cancellation goes on at once and sets the event; the work looks at it before it changes anything,
    and now and then if it is long.
    """
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()


def replace_file(path: Path, data: bytes, stop: threading.Event) -> None:
    """Write a file whole or not at all. Makes parents, keeps the mode of an existing file, follows links.

    Does nothing once ``stop`` is set.

    :raises BadInput: there is something else than a regular file.
    """
    _require_regular(path)
    if not stop.is_set():
        write_atomic(path, data)


@contextlib.contextmanager
def sole_editor(path: Path) -> Iterator[None]:
    """Hold a file between reading and replacing it, so that two edits at once are both kept.

    :raises Conflict: somebody else holds it for longer than a few seconds.
    """
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        with path.open("rb") as file:
            # A replaced file is another one than the one that was waited for.
            if _try_lock(file.fileno()):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield
                    return
                continue
        if time.monotonic() > deadline:
            raise Conflict(f"{path} is locked by another process. Try again later.")
        time.sleep(_LOCK_LOOK_S)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_regular(path: Path) -> None:
    """A device that is replaced by a file is gone for everybody."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise BadInput(f"{path} is {kind}, so it cannot be written.")
