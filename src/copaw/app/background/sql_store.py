"""The ledger in a database, written with SQLAlchemy Core. Import it where it is opened: it loads SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from copaw.app.background.database import unavailable
from copaw.app.background.group_commit import GroupCommit
from copaw.app.background.records import (
    RESUMABLE,
    UNDER_WAY,
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
from copaw.app.background.rows import LISTED, record_of, row_of
from copaw.app.background.schema import task_events, tasks
from copaw.app.background.store import not_ended, not_found, same_request

TRIM_BATCH = 500
"""Tasks forgotten in one write, so that nobody waits long for a clean-up."""


class SqlTaskStore:
    """A :class:`~copaw.app.background.store.TaskStore`. Writes go through one :class:`GroupCommit`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writes = GroupCommit(engine)

    # -- tasks -----------------------------------------------------------------------------------------------

    async def add(self, record: TaskRecord) -> TaskRecord:
        async def write(connection: AsyncConnection) -> TaskRecord:
            if record.idempotency_key is None:
                await connection.execute(insert(tasks), row_of(record))
                return record
            added = await connection.execute(self._insert_new(tasks), row_of(record))
            if added.rowcount:
                return record
            same_key = select(tasks).where(tasks.c.idempotency_key == record.idempotency_key)
            return same_request(record_of((await connection.execute(same_key)).one()), record)

        return await self._writes.run(write)

    async def get(self, task_id: str) -> TaskRecord:
        row = await self._one(select(tasks).where(tasks.c.id == task_id))
        if row is None:
            raise not_found(task_id)
        return record_of(row)

    async def by_key(self, idempotency_key: str) -> TaskRecord | None:
        row = await self._one(select(tasks).where(tasks.c.idempotency_key == idempotency_key))
        return record_of(row) if row is not None else None

    async def advance(
        self, task_id: str, state: TaskState, *, chunks: Sequence[EventChunk] = (), **fields: Any
    ) -> TaskRecord:
        move = (
            update(tasks)
            .where(tasks.c.id == task_id, tasks.c.state.in_(state.sources))
            .values(**row_of(fields), state=state.value)
            .returning(tasks)
        )

        async def write(connection: AsyncConnection) -> TaskRecord:
            row = (await connection.execute(move)).one_or_none()
            if row is not None:
                await self._insert_events(connection, chunks)
                return record_of(row)
            row = (await connection.execute(select(tasks).where(tasks.c.id == task_id))).one_or_none()
            if row is None:
                raise not_found(task_id)
            return record_of(row)

        return await self._writes.run(write)

    async def annotate(self, task_id: str, **fields: Any) -> None:
        change = update(tasks).where(tasks.c.id == task_id).values(**row_of(fields))

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(change)

        await self._writes.run(write)

    async def page(self, query: TaskQuery) -> TaskPage:
        columns = [column for column in tasks.c if column.name in LISTED]
        wanted = select(*columns).order_by(tasks.c.created_at.desc(), tasks.c.id.desc()).limit(query.limit + 1)
        for column, value in (("agent_id", query.agent_id), ("state", query.state), ("session_id", query.session_id)):
            if value is not None:
                wanted = wanted.where(tasks.c[column] == str(value))
        if query.cursor is not None:
            wanted = wanted.where(tuple_(tasks.c.created_at, tasks.c.id) < tuple_(*position_of(query.cursor)))
        found = await self._records(wanted)
        page = found[: query.limit]
        return TaskPage(page, cursor_of(page[-1]) if len(found) > query.limit else None)

    async def delete(self, task_id: str) -> None:
        async def write(connection: AsyncConnection) -> None:
            gone = delete(tasks).where(tasks.c.id == task_id, tasks.c.state.not_in(UNDER_WAY))
            if _count(await connection.execute(gone)):
                await connection.execute(delete(task_events).where(task_events.c.task_id == task_id))
                return
            row = (await connection.execute(select(tasks).where(tasks.c.id == task_id))).one_or_none()
            raise not_found(task_id) if row is None else not_ended(record_of(row))

        await self._writes.run(write)

    # -- events ----------------------------------------------------------------------------------------------

    async def add_events(self, chunks: Sequence[EventChunk]) -> None:
        await self._writes.run(lambda connection: self._insert_events(connection, chunks))

    async def _insert_events(self, connection: AsyncConnection, chunks: Sequence[EventChunk]) -> None:
        if chunks:
            rows = [
                {"task_id": chunk.task_id, "first": chunk.first, "last": chunk.last, "frames": chunk.frames}
                for chunk in chunks
            ]
            await connection.execute(self._insert_new(task_events), rows)

    def _insert_new(self, table: Table) -> Any:
        """An insert that leaves a row with the same key as it is."""
        kind = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        return kind.insert(table).on_conflict_do_nothing()

    async def events(self, task_id: str, after: int, limit: int) -> list[EventChunk]:
        table = task_events.c
        wanted = (
            select(table.task_id, table.first, table.last, table.frames)
            .where(table.task_id == task_id, table.last > after)
            .order_by(table.first)
            .limit(limit)
        )
        with unavailable():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(wanted)).all()
        return [EventChunk(*row) for row in rows]

    # -- recovery and upkeep ---------------------------------------------------------------------------------

    async def unfinished(self, owner: str) -> list[TaskRecord]:
        return await self._where(tasks.c.owner == owner, tasks.c.state.in_(UNDER_WAY))

    async def resumable(self, owner: str) -> list[TaskRecord]:
        return await self._where(
            tasks.c.owner == owner,
            tasks.c.state == TaskState.INTERRUPTED,
            tasks.c.on_interrupt == OnInterrupt.RESUME,
            tasks.c.end_reason.in_(RESUMABLE),
            tasks.c.retried_as.is_(None),
        )

    async def resume(self, old_id: str, new: TaskRecord) -> bool:
        async def write(connection: AsyncConnection) -> bool:
            taken = update(tasks).where(tasks.c.id == old_id, tasks.c.retried_as.is_(None)).values(retried_as=new.id)
            if not _count(await connection.execute(taken)):
                return False
            await connection.execute(insert(tasks), row_of(new))
            return True

        return await self._writes.run(write)

    async def callbacks_pending(self, owner: str) -> list[TaskRecord]:
        return await self._where(
            tasks.c.owner == owner,
            tasks.c.callback_state == CallbackState.PENDING,
            tasks.c.state.not_in(UNDER_WAY),
        )

    async def trim(self, keep: int, ended_before: float) -> int:
        ended = tasks.c.state.not_in(UNDER_WAY)
        newest = select(tasks.c.created_at, tasks.c.id).where(ended)
        newest = newest.order_by(tasks.c.created_at.desc(), tasks.c.id.desc()).offset(keep).limit(1)
        edge = await self._one(newest)
        surplus = [tuple_(tasks.c.created_at, tasks.c.id) <= tuple_(*edge)] if edge is not None else []
        wanted = and_(ended, or_(tasks.c.ended_at < ended_before, *surplus))
        return await self._forget(wanted)

    async def _forget(self, wanted: ColumnElement[bool]) -> int:
        oldest = select(tasks.c.id).where(wanted).order_by(tasks.c.created_at).limit(TRIM_BATCH)

        async def write(connection: AsyncConnection) -> int:
            ids = (await connection.execute(oldest)).scalars().all()
            if ids:
                await connection.execute(delete(task_events).where(task_events.c.task_id.in_(ids)))
                await connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
            return len(ids)

        total = 0
        while gone := await self._writes.run(write):
            total += gone
        return total

    async def count(self) -> int:
        """How many tasks there are."""
        row = await self._one(select(func.count()).select_from(tasks))
        return int(row[0]) if row is not None else 0

    async def aclose(self) -> None:
        await self._writes.aclose()
        await self._engine.dispose()

    # -- reading ---------------------------------------------------------------------------------------------

    async def _one(self, wanted: Select[Any]) -> Any:
        with unavailable():
            async with self._engine.connect() as connection:
                return (await connection.execute(wanted)).one_or_none()

    async def _where(self, *conditions: ColumnElement[bool]) -> list[TaskRecord]:
        return await self._records(select(tasks).where(*conditions).order_by(tasks.c.created_at, tasks.c.id))

    async def _records(self, wanted: Select[Any]) -> list[TaskRecord]:
        with unavailable():
            async with self._engine.connect() as connection:
                return [record_of(row) for row in (await connection.execute(wanted)).all()]


def _count(result: Any) -> int:
    return cast("CursorResult[Any]", result).rowcount


async def open_sql_store(url: str) -> SqlTaskStore:
    """Open the ledger at a database's address; see :func:`copaw.app.background.database.open_engine`."""
    from copaw.app.background.database import open_engine

    return SqlTaskStore(await open_engine(url))
