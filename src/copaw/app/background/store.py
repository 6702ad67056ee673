"""The ledger of background tasks: the port and its twin in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from copaw.errors import NotFound
from copaw.ports import Json


class TaskState(StrEnum):
    """How far a task has come. Terminal states never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        return self not in (TaskState.QUEUED, TaskState.RUNNING, TaskState.CANCELLING)


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One row. Times in seconds since the epoch.

    :param result: the last event of the run, normally its response object.
    :param end_reason: the recorded cause if the run was ended.
    """

    id: str
    agent_id: str
    session_id: str
    user_id: str
    state: TaskState
    created_at: float
    timeout_s: float
    started_at: float | None = None
    ended_at: float | None = None
    generation: int | None = None
    end_reason: str | None = None
    result: Json | None = None


class TaskStore(Protocol):
    """Where tasks are remembered. A task is accepted when :meth:`add` has returned."""

    async def add(self, record: TaskRecord) -> None: ...

    async def get(self, task_id: str) -> TaskRecord:
        """:raises NotFound: no such task."""

    async def advance(self, task_id: str, state: TaskState, **fields: Any) -> TaskRecord:
        """Move a task on. A terminal record is returned as it is: the first end stays."""


class MemoryTaskStore:
    """Keeps tasks in memory, the finished ones up to a number.

    :param keep_finished: how many finished tasks are remembered.
    """

    def __init__(self, keep_finished: int = 1000) -> None:
        self._records: dict[str, TaskRecord] = {}
        self._finished: dict[str, None] = {}
        self._keep_finished = keep_finished

    async def add(self, record: TaskRecord) -> None:
        self._records[record.id] = record

    async def get(self, task_id: str) -> TaskRecord:
        try:
            return self._records[task_id]
        except KeyError:
            raise NotFound(f"Task {task_id} not found") from None

    async def advance(self, task_id: str, state: TaskState, **fields: Any) -> TaskRecord:
        record = await self.get(task_id)
        if record.state.terminal:
            return record
        record = self._records[task_id] = replace(record, state=state, **fields)
        if state.terminal:
            self._finished[task_id] = None
            self._trim()
        return record

    def _trim(self) -> None:
        while len(self._finished) > self._keep_finished:
            oldest = next(iter(self._finished))
            del self._finished[oldest], self._records[oldest]
