"""Submitting background tasks and following them to their end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.store import TaskRecord, TaskState, TaskStore
from copaw.errors import CopawError, EndReason
from copaw.ports import Json

_END_STATES = {
    EndReason.USER_STOP: TaskState.CANCELLED,
    EndReason.PARENT_CANCELLED: TaskState.CANCELLED,
    EndReason.TIMEOUT: TaskState.TIMED_OUT,
}
"""Any other recorded cause means that the server ended the task: it was interrupted."""


class RunHandle(Protocol):
    """What is known of a run from outside."""

    generation: int
    end_reason: str | None

    async def wait_end(self) -> Json:
        """Wait for the terminal event and return its payload."""

    def stop(self, reason: EndReason) -> bool: ...


@dataclass(frozen=True, slots=True)
class Submission:
    """What is asked for: who shall run it, in which session, within how many seconds."""

    agent_id: str
    session_id: str
    user_id: str
    timeout_s: float


StartRun = Callable[[str, Callable[[], None]], Awaitable[RunHandle]]
"""Starts the run of a task: its id, and what to call when the session is free and it really begins."""


class TaskService:
    """Accepts tasks and keeps their records true.

    :param store: a task is accepted when the store has it, and only then is its id answered.
    """

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._owner = TaskOwner("background")
        self._following: set[asyncio.Task[None]] = set()

    async def submit(self, submission: Submission, start: StartRun) -> TaskRecord:
        """Accept a task and start it.

        :raises CopawError: the agent cannot take it; nothing was accepted then.
        """
        record = TaskRecord(
            id=str(uuid.uuid4()),
            agent_id=submission.agent_id,
            session_id=submission.session_id,
            user_id=submission.user_id,
            state=TaskState.QUEUED,
            created_at=time.time(),
            timeout_s=submission.timeout_s,
        )
        await self._store.add(record)
        began = asyncio.Event()
        try:
            run = await start(record.id, began.set)
        except CopawError as error:
            result: Json = {
                "object": "response",
                "status": "failed",
                "error": {"code": error.code, "message": error.message},
            }
            await self._store.advance(record.id, TaskState.FAILED, ended_at=time.time(), result=result)
            raise
        following = self._owner.spawn(self._follow(record, run, began), record.id)
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        return record

    async def get(self, task_id: str) -> TaskRecord:
        """:raises NotFound: no such task."""
        return await self._store.get(task_id)

    async def _follow(self, record: TaskRecord, run: RunHandle, began: asyncio.Event) -> None:
        beginning = self._owner.spawn(self._mark_running(record.id, run, began), f"{record.id}:begin")
        timer = asyncio.get_running_loop().call_later(record.timeout_s, run.stop, EndReason.TIMEOUT)
        try:
            last = await run.wait_end()
        finally:
            timer.cancel()
            beginning.cancel()
        await asyncio.wait([beginning])
        await self._store.advance(
            record.id,
            _final_state(run, last),
            ended_at=time.time(),
            result=last,
            end_reason=run.end_reason,
            generation=run.generation,
        )

    async def _mark_running(self, task_id: str, run: RunHandle, began: asyncio.Event) -> None:
        await began.wait()
        await self._store.advance(task_id, TaskState.RUNNING, started_at=time.time(), generation=run.generation)

    async def aclose(self, timeout_s: float = 10.0) -> None:
        """Wait until every run that has ended is recorded; called after all runs were ended."""
        if self._following:
            await asyncio.wait(set(self._following), timeout=timeout_s)
        await self._owner.aclose()


def _final_state(run: RunHandle, last: Json) -> TaskState:
    if last.get("status") == "completed":
        return TaskState.SUCCEEDED
    if run.end_reason is None:
        return TaskState.FAILED
    return _END_STATES.get(EndReason(run.end_reason), TaskState.INTERRUPTED)
