"""The one registry of an agent's runs: buffer, fan-out, status, stop.

A run is not its stream. The run's task publishes events into a buffer; any number of listeners follow the buffer
from wherever they want, each with nothing but a cursor, so a listener that is slow, idle or gone costs the run
nothing and ends nothing. Everybody who comes while the run is under way sees the same events from the beginning.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from enum import StrEnum
from typing import Any

from copaw.aiokits.lease import Lease
from copaw.app.runner.events import Event, failed_response
from copaw.errors import EndReason
from copaw.ids import new_uuid
from copaw.ports import EventSink, Json

logger = logging.getLogger(__name__)


class RunStatus(StrEnum):
    """How far a run has come."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return self in (RunStatus.COMPLETED, RunStatus.FAILED)


class Run:
    """One run of an agent. Made by :meth:`TaskTracker.start`.

    :param key: what it is found by, such as a chat id.
    :param lease: the hold on its generation; released when its task has ended.
    """

    def __init__(self, key: str, session_id: str, lease: Lease, generation: int) -> None:
        self.id = new_uuid()
        self.key = key
        self.session_id = session_id
        self.lease = lease
        self.generation = generation
        self.status = RunStatus.RUNNING
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.end_reason: str | None = None
        self.events: list[Event] = []
        self.on_abandon: Callable[[], None] = _nothing
        self._listeners: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def last_event(self) -> Event | None:
        return self.events[-1] if self.events else None

    @property
    def published(self) -> int:
        """How many events there are so far."""
        return len(self.events)

    def publish(self, payload: Json) -> None:
        """Append one event and wake the listeners. Ignored once the run has its terminal event."""
        if self.status.terminal:
            logger.warning("run %s: an event after its end was dropped", self.id)
            return
        event = Event(len(self.events), payload)
        self.events.append(event)
        self.lease.touch()
        if event.terminal:
            self.status = RunStatus.COMPLETED if payload["status"] == "completed" else RunStatus.FAILED
            self.ended_at = time.time()
        self._wake()

    def _wake(self) -> None:
        listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            _resolve(listener)

    async def more(self, position: int, timeout_s: float | None = None) -> list[Event]:
        """The events from ``position`` on, as soon as there is one.

        Empty when the run has ended and nothing is left, or when nothing came within ``timeout_s`` seconds.
        """
        if position >= len(self.events) and not self.status.terminal:
            await self._news(timeout_s)
        return self.events[position:]

    async def _news(self, timeout_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        listener: asyncio.Future[None] = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, _resolve, listener)
        self._listeners.add(listener)
        try:
            await listener
        finally:
            self._listeners.discard(listener)
            if timer is not None:
                timer.cancel()

    async def follow(self, after: int = -1) -> AsyncGenerator[Event, None]:
        """Yield every event whose sequence number is above ``after``, those to come included, to the end."""
        position = after + 1
        while events := await self.more(position):
            position += len(events)
            for event in events:
                yield event

    async def wait_end(self) -> Json:
        """Wait for the terminal event and return its payload."""
        async for event in self.follow(max(len(self.events) - 2, -1)):
            if event.terminal:
                return event.payload
        raise RuntimeError(f"run {self.id} ended without a terminal event")

    def stop(self, reason: EndReason) -> bool:
        """Ask the run to end. ``False`` if it has ended, or was asked before."""
        return not self.status.terminal and self.lease.end(reason)

    def _on_end(self, reason: str) -> None:
        self.end_reason = reason
        if self._task is not None:
            self._task.cancel()

    def _on_abandon(self) -> None:
        self._close("the run did not end when asked to and was abandoned")
        self.on_abandon()

    def _let_go(self) -> None:
        # What it was made of knows it in turn: it would be there until the garbage is looked for.
        self.on_abandon, self._task = _nothing, None

    def _close(self, why: str) -> None:
        """Give listeners a terminal event if the run itself gave none."""
        if not self.status.terminal:
            self.publish(failed_response(self.last_event, self.end_reason, why))


def _nothing() -> None:
    """Nobody needs to know."""


def _resolve(listener: asyncio.Future[None]) -> None:
    if not listener.done():
        listener.set_result(None)


class TaskTracker:
    """The runs of one agent, over all its generations.

    :param on_change: called with a run when it has started and when it has ended.
    """

    def __init__(self, agent_id: str, on_change: Callable[[Run], None] = lambda _run: None) -> None:
        self.agent_id = agent_id
        self._on_change = on_change
        self._runs: dict[str, Run] = {}
        self._by_key: dict[str, list[Run]] = {}

    def start(
        self,
        key: str,
        session_id: str,
        lease: Lease,
        generation: int,
        work: Callable[[Run, EventSink], Coroutine[Any, Any, None]],
        on_abandon: Callable[[], None] = lambda: None,
    ) -> Run:
        """Start ``work`` in a task of its own. The run owns ``lease`` from here on and releases it.

        :param on_abandon: called when the run would not end and was given up.
        """
        run = Run(key, session_id, lease, generation)
        self._runs[run.id] = run
        self._by_key.setdefault(key, []).append(run)
        run._task = asyncio.create_task(work(run, run.publish), name=f"run:{self.agent_id}:{run.id}")
        # Not a try/finally inside the task: a task that is cancelled before its first step never enters one.
        run._task.add_done_callback(lambda task: self._finished(run, task))
        run.on_abandon = on_abandon
        lease.bind(run._on_end, run._on_abandon)
        self._on_change(run)
        return run

    def _finished(self, run: Run, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("run %s of agent %s failed", run.id, self.agent_id, exc_info=error)
        run._close(str(error) if error is not None else "the run ended without saying how")
        if not run.lease.released:
            run.lease.release()
        self._forget(run)
        self._on_change(run)

    def _forget(self, run: Run) -> None:
        # Whoever follows the run holds it; the registry keeps only what is under way, so memory stays flat.
        self._runs.pop(run.id, None)
        run._let_go()
        siblings = self._by_key[run.key]
        siblings.remove(run)
        if not siblings:
            del self._by_key[run.key]

    def get(self, run_id: str) -> Run | None:
        """The run with this id, while it is under way."""
        return self._runs.get(run_id)

    def find(self, key: str) -> Run | None:
        """The oldest run of this key that is under way."""
        return next((run for run in self._by_key.get(key, ()) if not run.status.terminal), None)

    def active(self) -> list[Run]:
        """Every run under way."""
        return list(self._runs.values())

    def stop(self, key: str, reason: EndReason) -> bool:
        """Ask the runs of this key to end. ``False`` if there was none to ask."""
        asked = [run.stop(reason) for run in list(self._by_key.get(key, ()))]
        return any(asked)
