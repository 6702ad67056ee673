"""The task service: accepts tasks, runs them, and keeps their records true.

A task is accepted when its row is committed, and only then is its id answered. From there on exactly one coroutine,
:meth:`TaskService._carry`, brings it to its one end. What is known in memory of a task under way is newer than its
row and is what people are told; the row is what a crash leaves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.live import LiveTask, OpenCall, TaskRuns
from copaw.app.background.opening import Opening
from copaw.app.background.outcome import end_reason_of, ended_result, failed_result, frame_of, state_after
from copaw.app.background.queue import FairQueue
from copaw.app.background.recorder import EventRecorder
from copaw.app.background.records import EventChunk, OnInterrupt, TaskKind, TaskPage, TaskQuery, TaskRecord, TaskState
from copaw.app.background.recovery import read_remains
from copaw.app.background.settings import TaskSettings
from copaw.app.background.store import TaskStore, not_ended, same_request
from copaw.app.background.submission import OnBusy, Submission, again
from copaw.errors import Conflict, CopawError, EndReason, NotFound, SessionBusy, Unavailable
from copaw.ports import Hold, Json, at_once

logger = logging.getLogger(__name__)

RETRY_WRITE_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to record an end while the database cannot be written; the last one repeats."""
CLOSE_TIMEOUT_S = 10.0


class EndTeller(Protocol):
    """Tells somebody of the ends of tasks, in the background."""

    def begin(self, store: TaskStore, owner: str) -> None:
        """The ledger is open: go on where a former process ended."""

    def deliver(self, record: TaskRecord) -> None:
        """A task has ended, and that is recorded."""

    async def aclose(self) -> None: ...


class TaskService:
    """Make it on the event loop; :meth:`aclose` it after all runs were ended.

    :param open_store: opens the ledger; begun at once, in the background, and again until it succeeds.
    :param tellers: told of every end; closed with this service.
    """

    def __init__(
        self,
        open_store: Callable[[], Awaitable[TaskStore]],
        runs: TaskRuns,
        settings: TaskSettings | None = None,
        tellers: Sequence[EndTeller] = (),
    ) -> None:
        self._runs = runs
        self.settings = settings or TaskSettings()
        self._tellers = tellers
        self._queue: FairQueue[LiveTask] = FairQueue(self.settings.limit_of)
        self._live: dict[str, LiveTask] = {}
        self._ended: Counter[tuple[str, TaskState]] = Counter()
        self._owner = TaskOwner("background")
        self._carrying: set[asyncio.Task[None]] = set()
        self._recorder: EventRecorder | None = None
        self._closing = False
        self._opening = Opening(open_store, self.settings, self._opened)

    def _opened(self, store: TaskStore, resumed: Sequence[TaskRecord]) -> None:
        self._recorder = EventRecorder(store.add_events)
        for teller in self._tellers:
            teller.begin(store, self.settings.owner)
        for record in resumed:
            self._accept(LiveTask(record))

    async def store(self) -> TaskStore:
        """The ledger, once it is open and every row in it is true.

        :raises Unavailable: it cannot be used at the moment, and why.
        """
        return await self._opening.store()

    # -- asking ------------------------------------------------------------------------------------------------

    async def submit(
        self, submission: Submission, *, immediately: bool = False, parent: Hold | None = None
    ) -> TaskRecord:
        """Accept a task. It runs when its turn comes, on whichever generation serves then.

        :param immediately: it takes no place in the queue, because a task that runs waits for it.
        :param parent: the hold of the run that begins it; while that is held, it runs on the same generation.
        :raises CopawError: it cannot be accepted, and why; nothing was.
        """
        store = await self.store()
        await self._runs.check(submission.agent_id)
        live = LiveTask(submission.record(self.settings.owner), not immediately, parent)
        return await self._admit(store, live, submission.on_busy)

    async def _admit(self, store: TaskStore, live: LiveTask, on_busy: OnBusy) -> TaskRecord:
        record = live.record
        if record.kind is TaskKind.TOOL:
            self._check_tool_calls(record.agent_id)
        if on_busy is OnBusy.REJECT:
            if (known := await self._known(store, record)) is not None:
                return known
            self._check_idle(live)
        # Known before it is committed, so that of two that want the same session one sees the other.
        self._live[record.id] = live
        try:
            accepted = await store.add(record)
        except BaseException:
            del self._live[record.id]
            raise
        if accepted.id != record.id:
            del self._live[record.id]
            return await self.get(accepted.id)
        self._accept(live)
        return live.record

    async def _known(self, store: TaskStore, record: TaskRecord) -> TaskRecord | None:
        """What was accepted under the same key, which is no second run of its session."""
        known = await store.by_key(record.idempotency_key) if record.idempotency_key is not None else None
        return self._newest(same_request(known, record)) if known is not None else None

    def _check_idle(self, live: LiveTask) -> None:
        agent_id, session = live.record.agent_id, live.session
        busy = any(
            other.record.agent_id == agent_id and other.session == session and other.has_session
            for other in self._live.values()
        )
        if busy or self._runs.session_busy(live.record):
            raise SessionBusy(live.record.session_id)

    def _check_tool_calls(self, agent_id: str) -> None:
        calls = sum(live.record.agent_id == agent_id and not live.has_session for live in self._live.values())
        if calls >= (limit := max(1, self.settings.limit_of(agent_id))):
            raise Conflict(f"{calls} tool calls of this agent run in the background already; the limit is {limit}.")

    async def get(self, task_id: str) -> TaskRecord:
        """:raises NotFound: no such task."""
        live = self._live.get(task_id)
        if live is not None:
            return live.record
        return await (await self.store()).get(task_id)

    async def page(self, query: TaskQuery) -> TaskPage:
        """A page of tasks, newest first."""
        page = await (await self.store()).page(query)
        return replace(page, tasks=[self._newest(record) for record in page.tasks])

    def _newest(self, record: TaskRecord) -> TaskRecord:
        live = self._live.get(record.id)
        return live.record if live is not None else record

    async def wait(self, task_id: str, timeout_s: float | None = None) -> TaskRecord:
        """Wait until a task has ended, at most ``timeout_s`` seconds; its record as it is then."""
        live = self._live.get(task_id)
        if live is None:
            return await self.get(task_id)
        try:
            async with asyncio.timeout(timeout_s):
                await live.ended.wait()
        except TimeoutError:
            pass
        return live.record

    def live(self, task_id: str) -> LiveTask | None:
        """A task that has not ended, with its run."""
        return self._live.get(task_id)

    def counts(self) -> tuple[Counter[tuple[str, TaskState]], Counter[tuple[str, TaskState]]]:
        """How many tasks, by agent and state, are under way, and how many have ended since the start."""
        present = Counter((live.record.agent_id, live.record.state) for live in self._live.values())
        return present, Counter(self._ended)

    def of_session(self, agent_id: str, user_id: str, session_id: str) -> LiveTask | None:
        """The task whose run a session has now."""
        for live in self._live.values():
            record = live.record
            same = (record.agent_id, record.user_id, record.session_id) == (agent_id, user_id, session_id)
            if same and live.has_session and record.started_at is not None and not record.state.terminal:
                return live
        return None

    # -- changing ----------------------------------------------------------------------------------------------

    async def cancel(self, task_id: str, reason: EndReason = EndReason.USER_STOP) -> TaskRecord:
        """Ask a task to end, wherever it runs. Harmless when it has ended or was asked before."""
        live = self._live.get(task_id)
        if live is None:
            record = await self.get(task_id)
            if not record.state.terminal:
                raise Conflict(f"Task {task_id} belongs to another server; cancel it there.")
            return record
        if not live.stop(reason):
            return live.record
        if live.queued and self._queue.remove(live.record.agent_id, live.session, live):
            await self._end_unstarted(live, reason)
        elif live.move(TaskState.CANCELLING):
            self._write_soon(live)
        return live.record

    def promote(self, task_id: str) -> None:
        """Start a task that waits for its turn now, because a task that runs waits for it."""
        live = self._live.get(task_id)
        if live is not None and live.queued and self._queue.remove(live.record.agent_id, live.session, live):
            live.queued = False
            self._begin(self._carry(live), live)

    async def retry(self, task_id: str) -> TaskRecord:
        """Ask for the same again, as a new task.

        :raises Conflict: the task has not ended.
        """
        record = await self.get(task_id)
        if not record.state.terminal or task_id in self._live:
            raise not_ended(record)
        store = await self.store()
        await self._runs.check(record.agent_id)
        following = LiveTask(again(record, self.settings.owner), queued=record.kind is TaskKind.RUN)
        accepted = await self._admit(store, following, OnBusy.QUEUE)
        await store.annotate(task_id, retried_as=accepted.id)
        return accepted

    async def delete(self, task_id: str) -> None:
        """Forget a task that has ended. :raises Conflict: it has not."""
        live = self._live.get(task_id)
        if live is not None:
            raise not_ended(live.record)
        await (await self.store()).delete(task_id)

    # -- carrying ----------------------------------------------------------------------------------------------

    def _accept(self, live: LiveTask) -> None:
        self._live[live.record.id] = live
        if live.stop_reason is not None or self._closing:
            self._begin(self._end_unstarted(live, live.stop_reason or EndReason.SERVER_SHUTDOWN), live)
        elif live.queued:
            self._queue.put(live.record.agent_id, live.session, live)
            self._pump(live.record.agent_id)
        else:
            self._begin(self._carry(live), live)

    def _pump(self, agent_id: str) -> None:
        for live in self._queue.take(agent_id):
            self._begin(self._carry(live), live)

    def _begin(self, work: Any, live: LiveTask) -> None:
        task = self._owner.spawn(work, live.record.id)
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, live: LiveTask) -> None:
        """Bring a task from its turn to its end."""
        try:
            await self._run(live)
        except CopawError as error:
            await self._end_refused(live, error)
        except Exception as error:
            logger.exception("task %s failed unexpectedly", live.record.id)
            await self._end_refused(live, CopawError(f"{type(error).__name__}: {error}"))
        finally:
            live.stop_timer()
            if live.queued:
                self._queue.done(live.record.agent_id, live.session)
                self._pump(live.record.agent_id)

    async def _run(self, live: LiveTask) -> None:
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
        await self._end(live, state, last, reason, generation=run.generation)

    async def _open_calls(self, record: TaskRecord) -> list[OpenCall]:
        if not record.resumes or record.retry_of is None:
            return []
        return (await read_remains(await self.store(), record.retry_of)).open_calls

    async def _recorded(self, live: LiveTask) -> None:
        """Wait until what a run has said is stored, so that a call it makes now is known whatever happens to us."""
        assert self._recorder is not None
        assert live.run is not None
        if not await self._recorder.wait_stored(live.record.id, live.run.published):
            logger.warning("a tool call of task %s is not stored; after a crash it may come again", live.record.id)

    def _began(self, live: LiveTask) -> None:
        live.start_timer()
        if live.move(TaskState.RUNNING, started_at=time.time()):
            self._write_soon(live)
        elif live.record.started_at is None:
            live.record = replace(live.record, started_at=time.time())

    def _write_soon(self, live: LiveTask) -> None:
        """Store a state that is not the last one. If that fails nothing is lost: the end will be stored."""
        record = live.record
        fields: dict[str, Any] = {"started_at": record.started_at, "heartbeat_at": record.heartbeat_at}

        async def write() -> None:
            try:
                await (await self.store()).advance(record.id, record.state, **fields)
            except Unavailable as error:
                logger.warning("task %s is %s, which is not stored: %s", record.id, record.state, error.message)

        self._owner.spawn(write(), f"{record.id}:{record.state}")

    # -- ending ------------------------------------------------------------------------------------------------

    async def _end_unstarted(self, live: LiveTask, reason: EndReason) -> None:
        result = ended_result(live.record, reason, time.time())
        await self._end(live, state_after(result, reason), result, reason)

    async def _end_refused(self, live: LiveTask, error: CopawError) -> None:
        reason = live.stop_reason or end_reason_of(error)
        if reason is not None:
            await self._end_unstarted(live, reason)
        else:
            await self._end(live, TaskState.FAILED, failed_result(live.record, error, time.time()), None)

    async def _end(
        self, live: LiveTask, state: TaskState, result: Json, end_reason: str | None, *, generation: int | None = None
    ) -> None:
        """Record the one end of a task. While it cannot be recorded, it is told, kept in memory and tried again."""
        assert self._recorder is not None
        record, now = live.record, time.time()
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
        self._ended[record.agent_id, state] += 1
        attempt = 0
        while not await self._write_end(live, chunks):
            live.ended.set()
            await asyncio.sleep(RETRY_WRITE_S[min(attempt, len(RETRY_WRITE_S) - 1)])
            attempt += 1
        self._live.pop(record.id, None)
        live.ended.set()
        self._opening.one_more_ended()
        for teller in self._tellers:
            teller.deliver(live.record)

    async def _write_end(self, live: LiveTask, chunks: Sequence[EventChunk]) -> bool:
        record = live.record
        try:
            await (await self.store()).advance(
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
        except Unavailable as error:
            logger.error("the end of task %s is not stored yet: %s", record.id, error.message)
            return False
        return True

    async def settle(self) -> None:
        """End what has not begun, because the server is shutting down, and wait until every end is recorded.

        Called when all runs were ended; harmless when repeated.
        """
        self._closing = True
        for live in self._queue.drain():
            live.stop(EndReason.SERVER_SHUTDOWN)
            self._begin(self._end_unstarted(live, EndReason.SERVER_SHUTDOWN), live)
        if self._carrying:
            await asyncio.wait(set(self._carrying), timeout=CLOSE_TIMEOUT_S)

    async def aclose(self) -> None:
        """:meth:`settle`, and close the ledger."""
        await self.settle()
        for live in self._live.values():
            logger.error(
                "the end of task %s could not be stored; the next start will find it unfinished", live.record.id
            )
        if self._recorder is not None:
            await self._recorder.aclose()
        await self._owner.aclose()
        for teller in self._tellers:
            await teller.aclose()
        await self._opening.aclose()
