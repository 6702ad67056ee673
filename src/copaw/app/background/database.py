"""Opening the ledger's database: SQLite in the working directory, or another by its address.

SQLite keeps a write-ahead log, so that readers and the one writer never wait for each other, and every commit is
on the disk before anybody is told of it. Migrations run before anything else; alembic is imported only when one is
due, because it takes longer to load than the whole rest of the opening.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copaw.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT_MS = 2000
"""How long a write waits for another program that holds SQLite's lock."""

_DRIVERS = {"postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA cache_size=-8192",
)


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def with_driver(url: str) -> str:
    """The address with the asynchronous driver that this project uses, unless it names one.

    :raises BadInput: it is no database address, or of a kind that is not known.
    """
    scheme, separator, rest = url.partition("://")
    driver = scheme if "+" in scheme else _DRIVERS.get(scheme)
    if not separator or driver is None:
        known = ", ".join(f"{name}://" for name in _DRIVERS)
        raise BadInput(f"COPAW_DATABASE_URL must begin with one of {known}", field="COPAW_DATABASE_URL")
    return f"{driver}://{rest}"


async def open_engine(url: str) -> AsyncEngine:
    """Connect and bring the tables up to date.

    :raises Unavailable: it cannot be used at the moment, and why.
    """
    await asyncio.to_thread(importlib.import_module, "sqlalchemy.ext.asyncio")
    with unavailable():
        engine = await asyncio.to_thread(_make_engine, with_driver(url))
        try:
            await _migrate(engine)
        except BaseException:
            await engine.dispose()
            raise
    return engine


def _make_engine(url: str) -> AsyncEngine:
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    try:
        engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except ModuleNotFoundError as error:
        raise Unavailable(f"The database driver {error.name} is missing: pip install 'copaw[postgres]'") from error
    if url.startswith("sqlite"):
        event.listen(engine.sync_engine, "connect", _set_pragmas)
        event.listen(engine.sync_engine, "begin", _begin)
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


async def _migrate(engine: AsyncEngine) -> None:
    from copaw.app.background.schema import HEAD

    async with engine.connect() as connection:
        if await connection.run_sync(_version) == HEAD:
            return
    await asyncio.to_thread(importlib.import_module, "alembic.command")
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


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
