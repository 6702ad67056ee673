"""From a task's turn to its one end: the run is started, listened to, and what comes of it is stored.

The row of a task is changed here only. While it cannot be written, an end is told, kept in memory and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.live import LiveTask, OpenCall, TaskRuns
from copaw.app.background.outcome import end_reason_of, ended_result, failed_result, frame_of, state_after
from copaw.app.background.recorder import FLUSH_S, EventRecorder
from copaw.app.background.records import EventChunk, OnInterrupt, TaskRecord, TaskState
from copaw.app.background.recovery import read_remains
from copaw.app.background.store import TaskStore
from copaw.errors import CopawError, EndReason, NotFound, Unavailable
from copaw.ports import Json, at_once

logger = logging.getLogger(__name__)

RETRY_WRITE_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to record an end while the database cannot be written; the last one repeats."""


class Carrier:
    """Carries tasks.

    :param store: answers the ledger once it is open.
    :param owner: of the writes that nobody waits for.
    """

    def __init__(self, store: Callable[[], Awaitable[TaskStore]], runs: TaskRuns, owner: TaskOwner) -> None:
        self._store = store
        self._runs = runs
        self._owner = owner
        self._recorder: EventRecorder | None = None
        self._changed: dict[str, LiveTask] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, store: TaskStore) -> None:
        """The ledger is open. To be called before the first task is carried."""
        self._recorder = EventRecorder(store.add_events)

    async def carry(self, live: LiveTask) -> bool:
        """Bring a task from its turn to its end; whether that end is in its row. Errors become its end."""
        try:
            return await self._run(live)
        except CopawError as error:
            return await self._end_refused(live, error)
        except Exception as error:  # supervisor of a task: whatever happens, it has an end
            logger.exception("task %s failed unexpectedly", live.record.id)
            return await self._end_refused(live, CopawError(f"{type(error).__name__}: {error}"))
        finally:
            live.stop_timer()

    async def end_unstarted(self, live: LiveTask, reason: EndReason) -> bool:
        """End a task that has no run, for ``reason``; whether that end is in its row."""
        result = ended_result(live.record, reason, time.time())
        return await self._end(live, state_after(result, reason), result, reason)

    def write_soon(self, live: LiveTask) -> None:
        """Store a state that is not the last one. If that fails nothing is lost: the end will be stored.

        Most tasks have ended before :data:`FLUSH_S` have passed, and need no such write. One that will be resumed does:
        whoever resumes it must know that it had begun.
        """
        if live.record.on_interrupt is OnInterrupt.RESUME:
            self._write(live.record)
            return
        self._changed[live.record.id] = live
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._write_changed)

    def _write_changed(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        for live in changed.values():
            self._write(live.record)

    def _write(self, record: TaskRecord) -> None:
        fields: dict[str, Any] = {"started_at": record.started_at, "heartbeat_at": record.heartbeat_at}

        async def write() -> None:
            try:
                await (await self._store()).advance(record.id, record.state, **fields)
            except Unavailable as error:
                logger.warning("task %s is %s, which is not stored: %s", record.id, record.state, error.message)

        self._owner.spawn(write(), f"{record.id}:{record.state}")

    async def aclose(self) -> None:
        """Store what was heard."""
        if self._timer is not None:
            self._timer.cancel()
        if self._recorder is not None:
            await self._recorder.aclose()

    async def _run(self, live: LiveTask) -> bool:
        open_calls = await self._open_calls(live.record)
        # Nobody repeats the calls of a task that is not resumed, so nobody needs to know of them beforehand.
        recorded = partial(self._recorded, live) if live.record.on_interrupt is OnInterrupt.RESUME else at_once
        run = await self._runs.start_task(live.record, lambda: self._began(live), open_calls, live.parent, recorded)
        live.has_run(run)
        assert self._recorder is not None
        position, last = 0, {}
        while events := await run.more(position):
            self._recorder.take(live.record.id, events)
            position += len(events)
            last = events[-1].payload
        live.stop_timer()
        state = state_after(last, run.end_reason)
        # Asked to end in the very tick in which it had done its work: it was not ended by that.
        reason = None if state is TaskState.SUCCEEDED else run.end_reason
        return await self._end(live, state, last, reason, generation=run.generation)

    async def _open_calls(self, record: TaskRecord) -> list[OpenCall]:
        if not record.resumes or record.retry_of is None:
            return []
        return (await read_remains(await self._store(), record.retry_of)).open_calls

    async def _recorded(self, live: LiveTask) -> None:
        """Wait until what a run has said is stored, so that a call it makes now is known whatever happens to us."""
        assert self._recorder is not None
        assert live.run is not None
        if not await self._recorder.wait_stored(live.record.id, live.run.published):
            logger.warning("a tool call of task %s is not stored; after a crash it may come again", live.record.id)

    def _began(self, live: LiveTask) -> None:
        live.start_timer()
        if live.move(TaskState.RUNNING, started_at=time.time()):
            self.write_soon(live)
        elif live.record.started_at is None:
            live.record = replace(live.record, started_at=time.time())

    async def _end_refused(self, live: LiveTask, error: CopawError) -> bool:
        reason = live.stop_reason or end_reason_of(error)
        if reason is not None:
            return await self.end_unstarted(live, reason)
        return await self._end(live, TaskState.FAILED, failed_result(live.record, error, time.time()), None)

    async def _end(
        self, live: LiveTask, state: TaskState, result: Json, end_reason: str | None, *, generation: int | None = None
    ) -> bool:
        assert self._recorder is not None
        record, now = live.record, time.time()
        self._changed.pop(record.id, None)
        chunks, truncated = self._recorder.finish(record.id)
        if generation is None:
            chunks = [EventChunk(record.id, 0, 0, frame_of(0, result))]
        live.move(
            state,
            ended_at=now,
            result=result,
            end_reason=end_reason,
            generation=generation,
            events_truncated=truncated,
        )
        live.settled.set()
        attempt = 0
        while (stored := await self._stored(live.record, chunks)) is None:
            live.ended.set()
            await asyncio.sleep(RETRY_WRITE_S[min(attempt, len(RETRY_WRITE_S) - 1)])
            attempt += 1
        return stored

    async def _stored(self, record: TaskRecord, chunks: Sequence[EventChunk]) -> bool | None:
        """Whether the row has this end now; ``None`` if the ledger cannot be written."""
        try:
            return await (await self._store()).advance(
                record.id,
                record.state,
                chunks=chunks,
                started_at=record.started_at,
                ended_at=record.ended_at,
                heartbeat_at=record.heartbeat_at,
                result=record.result,
                end_reason=record.end_reason,
                generation=record.generation,
                events_truncated=record.events_truncated,
            )
        except NotFound:
            logger.error("task %s was removed from the ledger while it was under way", record.id)
            return False
        except Unavailable as error:
            logger.error("the end of task %s is not stored yet: %s", record.id, error.message)
            return None
