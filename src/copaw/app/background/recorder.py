"""Storing the events of all tasks: gathered for a moment, then written together.

The cost of a token is one append. A write happens a few times a second at most, however many tasks talk; a tool
call is written sooner, because after a crash somebody must know that it was begun.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from copaw.app.background.live import RunEvent
from copaw.app.background.records import EventChunk
from copaw.errors import Unavailable

logger = logging.getLogger(__name__)

STORED_WITHIN_S = 1.0
"""What is promised: after so many seconds an event is on the disk, however the process ends then. That is
:data:`FLUSH_S`, the commit that is under way and the one that holds it; a slower disk or a busier loop takes longer."""
FLUSH_S = 0.25
RETRY_S = 2.0
_CALLS = ("plugin_call", "mcp_call")
MAX_TASK_BYTES = 8 * 1024 * 1024
"""Bytes of events stored for one task; then only its end is. A listener is told of the gap."""
MAX_UNWRITTEN_BYTES = 32 * 1024 * 1024
"""Bytes kept for all tasks while the database cannot be written."""


@dataclass(slots=True)
class _Tape:
    """:param first: sequence number of the first frame that is not taken for a write. :param stored: of the first one
    that is not on the disk.
    """

    first: int = 0
    stored: int = 0
    frames: list[str] = field(default_factory=list)
    size_bytes: int = 0
    truncated: bool = False


class EventRecorder:
    """Takes events and gives them to ``write`` in chunks."""

    def __init__(self, write: Callable[[Sequence[EventChunk]], Awaitable[None]]) -> None:
        self._write = write
        self._tapes: dict[str, _Tape] = {}
        self._unwritten: list[EventChunk] = []
        self._tried = asyncio.Event()
        self._failing = False
        self._wake = asyncio.Event()
        self._now = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name="ledger-events")

    def take(self, task_id: str, events: Sequence[RunEvent]) -> None:
        """Take the next events of a task."""
        tape = self._tapes.setdefault(task_id, _Tape())
        for event in events:
            self._append(task_id, tape, event)
        self._wake.set()
        if any(event.payload.get("type") in _CALLS for event in events):
            self._now.set()

    def _append(self, task_id: str, tape: _Tape, event: RunEvent) -> None:
        frame = event.frame.decode()
        if tape.size_bytes + len(frame) > MAX_TASK_BYTES and not event.terminal:
            tape.truncated = True
            return
        if tape.frames and event.sequence != tape.first + len(tape.frames):
            # After a gap a new chunk begins, so that the frames of a chunk are consecutive.
            self._unwritten += self._cut(task_id, tape)
        if not tape.frames:
            tape.first = event.sequence
        tape.frames.append(frame)
        tape.size_bytes += len(frame)

    def _cut(self, task_id: str, tape: _Tape) -> list[EventChunk]:
        if not tape.frames:
            return []
        last = tape.first + len(tape.frames) - 1
        chunk = EventChunk(task_id, tape.first, last, "".join(tape.frames))
        tape.first, tape.frames = last + 1, []
        return [chunk]

    def finish(self, task_id: str) -> tuple[list[EventChunk], bool]:
        """The unwritten rest of a task's events, and whether some were left out. Nothing more may come."""
        tape = self._tapes.pop(task_id, _Tape())
        mine = [chunk for chunk in self._unwritten if chunk.task_id == task_id]
        self._unwritten = [chunk for chunk in self._unwritten if chunk.task_id != task_id]
        return mine + self._cut(task_id, tape), tape.truncated

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await self._pause(FLUSH_S)
            self._wake.clear()
            if not await self.flush():
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._now.wait()
        except TimeoutError:
            pass
        self._now.clear()

    async def wait_stored(self, task_id: str, count: int) -> bool:
        """Wait until the first ``count`` events of a task are on the disk.

        ``False`` at once if the database cannot be written now, and if some were left out: work goes on then.
        """
        tape = self._tapes.setdefault(task_id, _Tape())
        while tape.stored < count and not self._failing and not tape.truncated:
            self._wake.set()
            self._now.set()
            await self._tried.wait()
        return tape.stored >= count

    async def flush(self) -> bool:
        """Write everything taken so far. ``False`` if it could not be written; it is kept then."""
        for task_id, tape in self._tapes.items():
            self._unwritten += self._cut(task_id, tape)
        chunks, self._unwritten = self._unwritten, []
        if not chunks:
            return True
        try:
            await self._write(chunks)
        except Unavailable as error:
            logger.warning("%d chunks of events are not stored yet: %s", len(chunks), error.message)
            self._unwritten = self._bounded(chunks + self._unwritten)
            self._failing = True
        else:
            self._note_stored(chunks)
            self._failing = False
        tried, self._tried = self._tried, asyncio.Event()
        tried.set()
        return not self._failing

    def _note_stored(self, chunks: Sequence[EventChunk]) -> None:
        for chunk in chunks:
            if chunk.task_id in self._tapes:
                self._tapes[chunk.task_id].stored = chunk.last + 1

    def _bounded(self, chunks: list[EventChunk]) -> list[EventChunk]:
        size_bytes = sum(len(chunk.frames) for chunk in chunks)
        while chunks and size_bytes > MAX_UNWRITTEN_BYTES:
            dropped = chunks.pop(0)
            size_bytes -= len(dropped.frames)
            if dropped.task_id in self._tapes:
                self._tapes[dropped.task_id].truncated = True
        return chunks

    async def aclose(self) -> None:
        """End. What is not written is tried once more."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.flush()
