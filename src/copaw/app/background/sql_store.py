"""The ledger in a database, written with SQLAlchemy Core. Import it where it is opened: it loads SQLAlchemy.

What a task costs is one row added, one row changed when it begins, one changed and its events added when it ends. These
statements are built once; so is their SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult

from copaw.app.background.database import Database
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

_BY_ID = select(tasks).where(tasks.c.id == bindparam("task_id"))
_BY_KEY = select(tasks).where(tasks.c.idempotency_key == bindparam("idempotency_key"))
_ADD = insert(tasks)
_EVENTS = (
    select(task_events.c.task_id, task_events.c.first, task_events.c.last, task_events.c.frames)
    .where(task_events.c.task_id == bindparam("task_id"), task_events.c.last > bindparam("after"))
    .order_by(task_events.c.first)
    .limit(bindparam("count"))
)


class SqlTaskStore:
    """A :class:`~copaw.app.background.store.TaskStore`. Writes go through one :class:`GroupCommit`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._writes = GroupCommit(database)
        self._add_new = self._insert_new(tasks)
        self._add_events = self._insert_new(task_events)

    def _insert_new(self, table: Table) -> Any:
        """An insert that leaves a row with the same key as it is."""
        kind = postgresql if self.database.dialect == "postgresql" else sqlite
        return kind.insert(table).on_conflict_do_nothing()

    # -- tasks -----------------------------------------------------------------------------------------------

    async def add(self, record: TaskRecord) -> TaskRecord:
        row = row_of(record)

        def write(connection: Connection) -> TaskRecord:
            if record.idempotency_key is None:
                connection.execute(_ADD, row)
                return record
            if _count(connection.execute(self._add_new, row)):
                return record
            same_key = connection.execute(_BY_KEY, {"idempotency_key": record.idempotency_key}).one()
            return same_request(record_of(same_key), record)

        return await self._writes.run(write)

    async def get(self, task_id: str) -> TaskRecord:
        row = await self._one(_BY_ID, task_id=task_id)
        if row is None:
            raise not_found(task_id)
        return record_of(row)

    async def by_key(self, idempotency_key: str) -> TaskRecord | None:
        row = await self._one(_BY_KEY, idempotency_key=idempotency_key)
        return record_of(row) if row is not None else None

    async def advance(
        self, task_id: str, state: TaskState, *, chunks: Sequence[EventChunk] = (), **fields: Any
    ) -> bool:
        move = _move(state)
        values = {**row_of(fields), "task_id": task_id}

        def write(connection: Connection) -> bool:
            if _count(connection.execute(move, values)):
                self._insert_events(connection, chunks)
                return True
            if connection.execute(_BY_ID, {"task_id": task_id}).one_or_none() is None:
                raise not_found(task_id)
            return False

        return await self._writes.run(write)

    async def annotate(self, task_id: str, **fields: Any) -> None:
        change = update(tasks).where(tasks.c.id == task_id).values(**row_of(fields))
        await self._writes.run(lambda connection: _count(connection.execute(change)))

    async def page(self, query: TaskQuery) -> TaskPage:
        columns = [column for column in tasks.c if column.name in LISTED]
        wanted = select(*columns).order_by(tasks.c.created_at.desc(), tasks.c.id.desc()).limit(query.limit + 1)
        same = {"agent_id": query.agent_id, "state": query.state, "session_id": query.session_id, "kind": query.kind}
        for name, value in same.items():
            if value is not None:
                wanted = wanted.where(tasks.c[name] == str(value))
        if query.cursor is not None:
            wanted = wanted.where(tuple_(tasks.c.created_at, tasks.c.id) < tuple_(*position_of(query.cursor)))
        found = await self._records(wanted)
        page = found[: query.limit]
        return TaskPage(page, cursor_of(page[-1]) if len(found) > query.limit else None)

    async def delete(self, task_id: str) -> None:
        gone = delete(tasks).where(tasks.c.id == task_id, tasks.c.state.not_in(UNDER_WAY))

        def write(connection: Connection) -> None:
            if _count(connection.execute(gone)):
                connection.execute(delete(task_events).where(task_events.c.task_id == task_id))
                return
            row = connection.execute(_BY_ID, {"task_id": task_id}).one_or_none()
            raise not_found(task_id) if row is None else not_ended(record_of(row))

        await self._writes.run(write)

    # -- events ----------------------------------------------------------------------------------------------

    async def add_events(self, chunks: Sequence[EventChunk]) -> None:
        await self._writes.run(lambda connection: self._insert_events(connection, chunks))

    def _insert_events(self, connection: Connection, chunks: Sequence[EventChunk]) -> None:
        if chunks:
            rows = [
                {"task_id": chunk.task_id, "first": chunk.first, "last": chunk.last, "frames": chunk.frames}
                for chunk in chunks
            ]
            connection.execute(self._add_events, rows)

    async def events(self, task_id: str, after: int, limit: int) -> list[EventChunk]:
        values = {"task_id": task_id, "after": after, "count": limit}
        rows = await self.database.read(lambda connection: connection.execute(_EVENTS, values).all())
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
        taken = update(tasks).where(tasks.c.id == old_id, tasks.c.retried_as.is_(None)).values(retried_as=new.id)

        def write(connection: Connection) -> bool:
            if not _count(connection.execute(taken)):
                return False
            connection.execute(_ADD, row_of(new))
            return True

        return await self._writes.run(write)

    async def callbacks_pending(self, owner: str) -> list[TaskRecord]:
        return await self._where(
            tasks.c.owner == owner,
            tasks.c.callback_state == CallbackState.PENDING,
            tasks.c.state.not_in(UNDER_WAY),
        )

    async def notices_pending(self, owner: str) -> list[TaskRecord]:
        return await self._where(
            tasks.c.owner == owner,
            tasks.c.notice_state == CallbackState.PENDING,
            tasks.c.state.not_in(UNDER_WAY),
            tasks.c.retried_as.is_(None),
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

        def write(connection: Connection) -> int:
            ids = connection.execute(oldest).scalars().all()
            if ids:
                connection.execute(delete(task_events).where(task_events.c.task_id.in_(ids)))
                connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
            return len(ids)

        total = 0
        while gone := await self._writes.run(write):
            total += gone
        return total

    async def aclose(self) -> None:
        await self._writes.aclose()
        await self.database.aclose()

    # -- reading ---------------------------------------------------------------------------------------------

    async def _one(self, wanted: Select[Any], **values: Any) -> Any:
        return await self.database.read(lambda connection: connection.execute(wanted, values).one_or_none())

    async def _where(self, *conditions: ColumnElement[bool]) -> list[TaskRecord]:
        return await self._records(select(tasks).where(*conditions).order_by(tasks.c.created_at, tasks.c.id))

    async def _records(self, wanted: Select[Any]) -> list[TaskRecord]:
        def read(connection: Connection) -> list[TaskRecord]:
            return [record_of(row) for row in connection.execute(wanted)]

        return await self.database.read(read)


@cache
def _move(state: TaskState) -> Update:
    """Changes a row's state, if the state it is in allows that; further columns come with the values."""
    allowed = tasks.c.state.in_([source.value for source in state.sources])
    return update(tasks).where(tasks.c.id == bindparam("task_id"), allowed).values(state=state.value)


def _count(result: Any) -> int:
    return cast("CursorResult[Any]", result).rowcount


async def open_sql_store(url: str) -> SqlTaskStore:
    """Open the ledger at a database's address; see :func:`copaw.app.background.database.open_database`."""
    from copaw.app.background.database import open_database

    return SqlTaskStore(await open_database(url))
