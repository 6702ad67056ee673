"""The ledger's twin in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from copaw.app.background.records import (
    RESUMABLE,
    CallbackState,
    EventChunk,
    OnInterrupt,
    TaskPage,
    TaskQuery,
    TaskRecord,
    TaskState,
    cursor_of,
    position_of,
)
from copaw.app.background.store import not_ended, not_found, same_request


class MemoryTaskStore:
    """A :class:`~copaw.app.background.store.TaskStore` that forgets everything with its process."""

    def __init__(self) -> None:
        self._records: dict[str, TaskRecord] = {}
        self._keys: dict[str, str] = {}
        self._events: dict[str, dict[int, EventChunk]] = {}

    async def add(self, record: TaskRecord) -> TaskRecord:
        known = self._keys.get(record.idempotency_key) if record.idempotency_key is not None else None
        if known is not None:
            return same_request(self._records[known], record)
        if record.idempotency_key is not None:
            self._keys[record.idempotency_key] = record.id
        self._records[record.id] = record
        return record

    async def get(self, task_id: str) -> TaskRecord:
        try:
            return self._records[task_id]
        except KeyError:
            raise not_found(task_id) from None

    async def by_key(self, idempotency_key: str) -> TaskRecord | None:
        task_id = self._keys.get(idempotency_key)
        return self._records[task_id] if task_id is not None else None

    async def advance(
        self, task_id: str, state: TaskState, *, chunks: Sequence[EventChunk] = (), **fields: Any
    ) -> bool:
        record = await self.get(task_id)
        if record.state not in state.sources:
            return False
        await self.add_events(chunks)
        self._records[task_id] = replace(record, state=state, **fields)
        return True

    async def annotate(self, task_id: str, **fields: Any) -> None:
        if task_id in self._records:
            self._records[task_id] = replace(self._records[task_id], **fields)

    async def page(self, query: TaskQuery) -> TaskPage:
        before = position_of(query.cursor) if query.cursor is not None else None
        found = [record for record in self._records.values() if _matches(record, query)]
        found.sort(key=_age, reverse=True)
        if before is not None:
            found = [record for record in found if _age(record) < before]
        page = [replace(record, request={}, result=None) for record in found[: query.limit]]
        return TaskPage(page, cursor_of(page[-1]) if len(found) > query.limit else None)

    async def delete(self, task_id: str) -> None:
        record = await self.get(task_id)
        if not record.state.terminal:
            raise not_ended(record)
        self._forget(record)

    def _forget(self, record: TaskRecord) -> None:
        del self._records[record.id]
        self._events.pop(record.id, None)
        if record.idempotency_key is not None:
            del self._keys[record.idempotency_key]

    async def add_events(self, chunks: Sequence[EventChunk]) -> None:
        for chunk in chunks:
            self._events.setdefault(chunk.task_id, {}).setdefault(chunk.first, chunk)

    async def events(self, task_id: str, after: int, limit: int) -> list[EventChunk]:
        chunks = sorted(self._events.get(task_id, {}).values(), key=lambda chunk: chunk.first)
        return [chunk for chunk in chunks if chunk.last > after][:limit]

    async def unfinished(self, owner: str) -> list[TaskRecord]:
        return self._where(lambda record: record.owner == owner and not record.state.terminal)

    async def resumable(self, owner: str) -> list[TaskRecord]:
        return self._where(
            lambda record: (
                record.owner == owner
                and record.state is TaskState.INTERRUPTED
                and record.on_interrupt is OnInterrupt.RESUME
                and record.end_reason in RESUMABLE
                and record.retried_as is None
            )
        )

    async def resume(self, old_id: str, new: TaskRecord) -> bool:
        old = await self.get(old_id)
        if old.retried_as is not None:
            return False
        self._records[old_id] = replace(old, retried_as=new.id)
        self._records[new.id] = new
        return True

    async def callbacks_pending(self, owner: str) -> list[TaskRecord]:
        return self._where(
            lambda record: (
                record.owner == owner and record.state.terminal and record.callback_state is CallbackState.PENDING
            )
        )

    async def notices_pending(self, owner: str) -> list[TaskRecord]:
        return self._where(
            lambda record: (
                record.owner == owner
                and record.state.terminal
                and record.notice_state is CallbackState.PENDING
                and record.retried_as is None
            )
        )

    def _where(self, wanted: Any) -> list[TaskRecord]:
        return sorted((record for record in self._records.values() if wanted(record)), key=_age)

    async def trim(self, keep: int, ended_before: float) -> int:
        ended = self._where(lambda record: record.state.terminal)
        surplus = ended[: max(0, len(ended) - keep)]
        old = [record for record in ended[len(surplus) :] if (record.ended_at or 0.0) < ended_before]
        for record in (*surplus, *old):
            self._forget(record)
        return len(surplus) + len(old)

    async def aclose(self) -> None:
        return None


def _age(record: TaskRecord) -> tuple[float, str]:
    return record.created_at, record.id


def _matches(record: TaskRecord, query: TaskQuery) -> bool:
    wanted = (
        (query.agent_id, record.agent_id),
        (query.state, record.state),
        (query.session_id, record.session_id),
        (query.kind, record.kind),
    )
    return all(want is None or want == have for want, have in wanted)
