"""A task under way in this process: its record as it is now, its run, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from copaw.app.background.records import TaskKind, TaskRecord, TaskState
from copaw.errors import EndReason
from copaw.ports import Hold, Json, at_once


class RunEvent(Protocol):
    """One event of a run."""

    sequence: int
    payload: Json

    @property
    def terminal(self) -> bool: ...

    @property
    def frame(self) -> bytes:
        """As a server-sent event."""


class RunHandle(Protocol):
    """What is known of a run from outside."""

    generation: int
    end_reason: str | None

    @property
    def published(self) -> int:
        """How many events it has given so far."""

    async def more(self, position: int, timeout_s: float | None = None) -> Sequence[RunEvent]:
        """The events from ``position`` on, as soon as there is one; none when the run has ended, or in time."""

    def stop(self, reason: EndReason) -> bool:
        """Ask the run to end."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call that was begun and of which no result is known."""

    call_id: str
    name: str
    arguments: Json


class TaskRuns(Protocol):
    """What can run tasks."""

    async def check(self, agent_id: str) -> None:
        """:raises CopawError: the agent cannot take work, and why."""

    def session_busy(self, record: TaskRecord) -> bool:
        """Whether a run of the task's session is under way."""

    async def start_task(
        self,
        record: TaskRecord,
        began: Callable[[], None],
        open_calls: Sequence[OpenCall],
        parent: Hold | None = None,
        recorded: Callable[[], Awaitable[None]] = at_once,
    ) -> RunHandle:
        """Start the run of a task on the generation that serves now, or on that of its parent.

        :param began: to be called when the session is free and the run really begins.
        :param open_calls: for a task that resumes another: what that one left without a result.
        :param parent: the hold of the run in which a tool call was put in the background.
        :param recorded: to be awaited before each tool call: what the run has said is on the disk then.
        :raises CopawError: the agent cannot take it; nothing was started.
        """


@dataclass(eq=False, slots=True)
class LiveTask:
    """One accepted task that has not ended.

    :param settled: set when its run has started or it will never have one.
    :param ended: set when its end is recorded, or is known and cannot be recorded yet.
    :param queued: it takes part in the fair queue; a tool call and a task that another one waits for do not.
    :param parent: the hold of the run that began it, until its own run has started.
    """

    record: TaskRecord
    queued: bool = True
    parent: Hold | None = None
    run: RunHandle | None = None
    stop_reason: EndReason | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None

    @property
    def has_session(self) -> bool:
        """Whether its run works in its session; a tool call only belongs to one."""
        return self.record.kind is TaskKind.RUN

    @property
    def session(self) -> str:
        """The key of its session, which one run at a time may have."""
        return f"{self.record.user_id}\0{self.record.session_id}"

    async def wait_settled(self, timeout_s: float) -> bool:
        """Wait until its run has started or it will never have one. ``False`` after ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.settled.wait()
        except TimeoutError:
            return False
        return True

    def move(self, state: TaskState, **fields: Any) -> bool:
        """Change the record in memory. ``False`` if its present state does not allow that."""
        if self.record.state not in state.sources:
            return False
        self.record = replace(self.record, state=state, heartbeat_at=time.time(), **fields)
        return True

    def stop(self, reason: EndReason) -> bool:
        """Ask its run, or the run it will have, to end. The first reason stays."""
        if self.stop_reason is not None:
            return False
        self.stop_reason = reason
        return self.run.stop(reason) if self.run is not None else True

    def has_run(self, run: RunHandle) -> None:
        """Its run has started."""
        self.run = run
        self.parent = None
        self.settled.set()
        if self.stop_reason is not None:
            run.stop(self.stop_reason)

    def start_timer(self) -> None:
        """Its time begins."""
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(self.record.timeout_s, self.stop, EndReason.TIMEOUT)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
