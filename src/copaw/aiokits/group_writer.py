"""Many who write files, one thread: whatever was asked for while the last files were written goes together next.

A thread for each file would wait for the interpreter's lock after each of its steps, and each would sync the same
directory by itself. Beside an event loop with much to do that costs twice the processor time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from copaw.aiokits.replacement import replace_all

MAX_BATCH = 64
"""Each file of a batch is open while it is written."""


@dataclass(frozen=True, slots=True)
class _Write:
    path: Path
    content: Callable[[], bytes]
    done: asyncio.Future[None]


class GroupWriter:
    """Replaces files as a whole, in the order in which that was asked for. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Write] = []
        self._busy = False

    def write(self, path: Path, content: Callable[[], bytes]) -> asyncio.Future[None]:
        """Replace a file; the result is there when it is on the disk.

        Whoever no longer waits does not take the write back.

        :param content: asked for what to write, in a thread.
        :returns: fails with what ``content`` raises, or with :class:`OSError`; the file is as it was then.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(path, content, done))
        if not self._busy:
            self._begin()
        return done

    def _begin(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._busy = bool(batch)
        if batch:
            files = [(one.path, one.content) for one in batch]
            writing = asyncio.get_running_loop().run_in_executor(None, replace_all, files)
            writing.add_done_callback(lambda written: self._written(batch, written))

    def _written(self, batch: list[_Write], written: asyncio.Future[list[Exception | None]]) -> None:
        whole = written.exception()
        errors = written.result() if whole is None else [whole] * len(batch)
        for one, error in zip(batch, errors, strict=True):
            if one.done.done():
                continue
            if error is not None:
                one.done.set_exception(error)
            else:
                one.done.set_result(None)
        self._begin()
