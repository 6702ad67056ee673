"""The port of the task ledger. Its twins: :mod:`memory_store` for tests, :mod:`sql_store` for servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from copaw.app.background.records import EventChunk, TaskPage, TaskQuery, TaskRecord, TaskState
from copaw.errors import Conflict, NotFound


class TaskStore(Protocol):
    """Where tasks are remembered. Every write is there, as a whole, when its method returns.

    Every method raises :class:`~copaw.errors.Unavailable` when the store cannot be used at the moment.
    """

    async def add(self, record: TaskRecord) -> TaskRecord:
        """Accept a task. The record that has the same idempotency key, if there is one, is answered instead.

        :raises Conflict: that one was asked for with another body.
        """

    async def get(self, task_id: str) -> TaskRecord:
        """:raises NotFound: no such task."""

    async def by_key(self, idempotency_key: str) -> TaskRecord | None:
        """The task that was accepted under this key."""

    async def advance(
        self, task_id: str, state: TaskState, *, chunks: Sequence[EventChunk] = (), **fields: Any
    ) -> bool:
        """Move a task on. ``False`` if the state it is in does not allow that; nothing was changed then.

        :param chunks: events that are stored together with the move, or not at all.
        :param fields: further fields of the record that change with the state.
        :raises NotFound: no such task.
        """

    async def annotate(self, task_id: str, **fields: Any) -> None:
        """Change what is not part of a task's outcome: its callback's delivery, ``retried_as``."""

    async def page(self, query: TaskQuery) -> TaskPage:
        """:raises BadInput: the cursor is none."""

    async def delete(self, task_id: str) -> None:
        """Forget a task and its events.

        :raises NotFound: no such task. :raises Conflict: it has not ended.
        """

    async def add_events(self, chunks: Sequence[EventChunk]) -> None:
        """Store events of any tasks, all or none. A chunk that is there already is left as it is."""

    async def events(self, task_id: str, after: int, limit: int) -> list[EventChunk]:
        """At most ``limit`` chunks that hold events above ``after``, in order."""

    async def unfinished(self, owner: str) -> list[TaskRecord]:
        """The owner's tasks that have not ended, oldest first."""

    async def resumable(self, owner: str) -> list[TaskRecord]:
        """The owner's tasks that were interrupted, shall be resumed and were not yet."""

    async def resume(self, old_id: str, new: TaskRecord) -> bool:
        """Add ``new`` as what becomes of ``old_id``, in one write. ``False`` if that was done before."""

    async def callbacks_pending(self, owner: str) -> list[TaskRecord]:
        """The owner's tasks that have ended and whose callback is not delivered."""

    async def notices_pending(self, owner: str) -> list[TaskRecord]:
        """The owner's tasks that have ended, go on in no other one, and whose asker was not told."""

    async def trim(self, keep: int, ended_before: float) -> int:
        """Forget tasks that ended before that time, and the oldest ended ones above ``keep``. Answers how many."""

    async def aclose(self) -> None: ...


def not_found(task_id: str) -> NotFound:
    return NotFound(f"Task {task_id} not found. `copaw tasks list` shows the tasks there are.")


def not_ended(record: TaskRecord) -> Conflict:
    return Conflict(f"Task {record.id} is {record.state}; cancel it or wait for its end first.")


def same_request(known: TaskRecord, asked: TaskRecord) -> TaskRecord:
    """:raises Conflict: the key was used for another request."""
    if known.body_hash != asked.body_hash:
        raise Conflict(
            f"Idempotency-Key '{asked.idempotency_key}' was used for task {known.id} with another body. "
            "Use a new key for a new request."
        )
    return known
