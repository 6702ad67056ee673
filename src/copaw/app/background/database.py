"""The ledger's database: SQLite in the working directory, or another by its address.

SQLite keeps a write-ahead log, so that readers and the one writer never wait for each other, and every commit is
on the disk before anybody is told of it. Migrations run before anything else; alembic is imported only when one is
due, because it takes longer to load than the whole rest of the opening.

What is done to the database is a plain function of a connection. SQLite answers from a file, so such a function runs
as a whole in a thread; a driver that waits for a network runs it on the event loop. Either way it costs one switch,
not one for each statement.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from copaw.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

BUSY_TIMEOUT_MS = 2000
"""How long a write waits for another program that holds SQLite's lock."""
IN_DATABASE = "database:"
"""What the names of tasks begin with that talk to a database server."""
READERS = 4
"""Reads of SQLite at a time."""

_DRIVERS = {"postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg", "sqlite": "sqlite"}
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return f"sqlite:///{path}"


def with_driver(url: str) -> str:
    """The address with the driver that this project uses, unless it names one.

    :raises BadInput: it is no database address, or of a kind that is not known.
    """
    scheme, separator, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    driver = _DRIVERS.get(scheme) or (scheme if kind in ("postgresql", "sqlite") else None)
    if not separator or driver is None:
        known = ", ".join(f"{name}://" for name in _DRIVERS)
        raise BadInput(f"COPAW_DATABASE_URL must begin with one of {known}", field="COPAW_DATABASE_URL")
    # SQLite is used through the standard library, whatever driver is named.
    return f"{'sqlite' if kind == 'sqlite' else driver}://{rest}"


class Database(Protocol):
    """An open database. Every method raises :class:`Unavailable` when it cannot be used at the moment."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction; it is committed when this returns. One at a time."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which changes nothing."""

    async def aclose(self) -> None: ...


class SqliteDatabase:
    """A SQLite file: one thread that writes, a few that read."""

    dialect = "sqlite"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = ThreadPoolExecutor(1, "ledger-write")
        self._readers = ThreadPoolExecutor(READERS, "ledger-read")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See :class:`Database`."""

        def run() -> T:
            with unavailable(), self.engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See :class:`Database`."""

        def run() -> T:
            with unavailable(), self.engine.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def aclose(self) -> None:
        """Wait for what is under way, and close the file."""

        def close() -> None:
            self._writer.shutdown()
            self._readers.shutdown()
            self.engine.dispose()

        await asyncio.to_thread(close)


class AsyncDatabase:
    """A database behind a driver that does not block.

    What was begun goes on when whoever asked for it is cancelled: a connection that is dropped in the middle of an
    exchange could not be used again, and would be missing in the pool.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See :class:`Database`."""
        return await self._to_its_end(self._write(work), "write")

    async def _write(self, work: Callable[[Connection], T]) -> T:
        with unavailable():
            async with self.engine.begin() as connection:
                return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See :class:`Database`."""
        return await self._to_its_end(self._read(work), "read")

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with unavailable():
            async with self.engine.connect() as connection:
                return await connection.run_sync(work)

    async def _to_its_end(self, work: Coroutine[Any, Any, T], name: str) -> T:
        task = asyncio.create_task(work, name=f"{IN_DATABASE}{name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever asked and still waits is told.

    async def aclose(self) -> None:
        """Wait for what is under way, and close every connection."""
        if self._running:
            await asyncio.wait(set(self._running))
        await self.engine.dispose()


async def open_database(url: str) -> Database:
    """Connect and bring the tables up to date.

    :raises Unavailable: it cannot be used at the moment, and why.
    """
    with unavailable():
        database = await asyncio.to_thread(_make_database, with_driver(url))
    try:
        await _migrate(database)
    except BaseException:
        await database.aclose()
        raise
    return database


async def version_of(url: str) -> str | None:
    """The migration that a database is at; ``None`` if it has no tables yet. Changes nothing.

    :raises BadInput: the address is none. :raises Unavailable: it cannot be used at the moment, and why.
    """
    with unavailable():
        database = await asyncio.to_thread(_make_database, with_driver(url))
    try:
        return await database.read(_version)
    finally:
        await database.aclose()


def _make_database(url: str) -> Database:
    if url.startswith("sqlite"):
        return SqliteDatabase(_make_sqlite(url))
    from sqlalchemy.ext.asyncio import create_async_engine

    try:
        return AsyncDatabase(create_async_engine(url, pool_pre_ping=True))
    except ModuleNotFoundError as error:
        raise Unavailable(f"The database driver {error.name} is missing: pip install 'copaw[postgres]'") from error


def _make_sqlite(url: str) -> Engine:
    from sqlalchemy import create_engine, event

    engine = create_engine(url)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    # The driver's own transactions leave out the making of tables; see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


async def _migrate(database: Database) -> None:
    from copaw.app.background.schema import HEAD

    if await database.read(_version) == HEAD:
        return
    await asyncio.to_thread(importlib.import_module, "alembic.command")
    await database.write(_upgrade)


def _version(connection: Connection) -> str | None:
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":
        # Two servers that share a database may start at the same time.
        connection.execute(text("SELECT pg_advisory_xact_lock(7262)"))
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "copaw.app.background:migrations")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            "The task ledger was written by another version of copaw; use that version, or move the database away. "
            f"({error})"
        ) from error


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn whatever keeps the database from working into one sentence with the reason.

    :raises Unavailable: instead of an error of the database, its driver or its file.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(f"The task ledger cannot be used: {_reason(error)}.", retry_after_s=5) from error


def _reason(error: BaseException) -> str:
    from sqlalchemy.exc import DBAPIError

    found = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(found) or type(found).__name__
    hints = {
        "locked": "another program holds its lock",
        "disk is full": "the disk is full",
        "readonly": "it is read-only",
        "unable to open": "its file cannot be opened; the working directory may be missing or read-only",
    }
    for sign, hint in hints.items():
        if sign in text:
            return f"{hint} ({text})"
    return " ".join(text.split())[:300]
