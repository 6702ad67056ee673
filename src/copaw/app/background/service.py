"""The task service: accepts tasks, runs them, and keeps their records true.

A task is accepted when its row is committed, and only then is its id answered. From there on exactly one coroutine,
:meth:`TaskService._carry`, brings it to its one end. What is known in memory of a task under way is newer than its
row and is what people are told; the row is what a crash leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.carrier import Carrier
from copaw.app.background.just_ended import JustEnded
from copaw.app.background.live import LiveTask, TaskRuns
from copaw.app.background.opening import Opening
from copaw.app.background.queue import FairQueue
from copaw.app.background.records import TaskKind, TaskPage, TaskQuery, TaskRecord, TaskState
from copaw.app.background.settings import TaskSettings
from copaw.app.background.store import TaskStore, not_ended, same_request
from copaw.app.background.submission import OnBusy, Submission, again
from copaw.errors import Conflict, EndReason, SessionBusy
from copaw.ports import Hold

logger = logging.getLogger(__name__)

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
        self._carrier = Carrier(self.store, runs, self._owner)
        self._just_ended = JustEnded()
        self._closing = False
        self._opening = Opening(open_store, self.settings, self._opened)

    def _opened(self, store: TaskStore, resumed: Sequence[TaskRecord]) -> None:
        self._carrier.begin(store)
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
        return self._just_ended.get(task_id) or await (await self.store()).get(task_id)

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
            self._carrier.write_soon(live)
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
        self._just_ended.forget(task_id)
        await store.annotate(task_id, retried_as=accepted.id)
        return accepted

    async def delete(self, task_id: str) -> None:
        """Forget a task that has ended. :raises Conflict: it has not."""
        live = self._live.get(task_id)
        if live is not None:
            raise not_ended(live.record)
        self._just_ended.forget(task_id)
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
        try:
            self._has_ended(live, await self._carrier.carry(live))
        finally:
            if live.queued:
                self._queue.done(live.record.agent_id, live.session)
                self._pump(live.record.agent_id)

    async def _end_unstarted(self, live: LiveTask, reason: EndReason) -> None:
        self._has_ended(live, await self._carrier.end_unstarted(live, reason))

    def _has_ended(self, live: LiveTask, stored: bool) -> None:
        record = live.record
        self._live.pop(record.id, None)
        self._ended[record.agent_id, record.state] += 1
        if stored:
            self._just_ended.keep(record)
        live.ended.set()
        self._opening.one_more_ended()
        for teller in self._tellers:
            teller.deliver(record)

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
        await self._carrier.aclose()
        await self._owner.aclose()
        for teller in self._tellers:
            await teller.aclose()
        await self._opening.aclose()
