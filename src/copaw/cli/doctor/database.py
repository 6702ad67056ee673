"""The database of background tasks: it opens, is of this version, and has room."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from copaw.app.background.settings import DATABASE_NAME
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.errors import CopawError

CHECK = "database"
LITTLE_BYTES, TOO_LITTLE_BYTES = 1_000_000_000, 100_000_000


def check_disk(subject: Subject) -> Iterator[Finding]:
    """There is room for what is written."""
    directory = subject.paths.working_dir
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    level = Level.ERROR if free < TOO_LITTLE_BYTES else Level.WARN if free < LITTLE_BYTES else Level.OK
    mend = "" if level is Level.OK else f"du -xh --max-depth=2 {shlex.quote(str(directory))} | sort -h"
    yield Finding(CHECK, level, f"{free / 1e9:.1f} GB are free where {directory} is.", mend)


def check_database(subject: Subject) -> Iterator[Finding]:
    """It can be read, and its tables are of this version or an older one."""
    if url := subject.environ.get("COPAW_DATABASE_URL"):
        yield _shared(url, subject.timeout_s)
        return
    path = subject.paths.working_dir / DATABASE_NAME
    if not path.exists():
        yield Finding(CHECK, Level.OK, "There are no background tasks yet.")
        return
    aside = f"mv {shlex.quote(str(path))} {shlex.quote(str(path))}.broken"
    try:
        problem, version = _look_into(path, subject.timeout_s)
    except sqlite3.Error as error:
        yield Finding(CHECK, Level.ERROR, f"{path} cannot be read: {error}.", aside)
        return
    if problem:
        yield Finding(CHECK, Level.ERROR, f"{path} is damaged: {problem}.", aside)
    else:
        yield _judged(version, str(path))


def _look_into(path: Path, timeout_s: float) -> tuple[str, str | None]:
    """What is wrong with a SQLite file, and the migration it is at. Changes nothing.

    A file too large to be checked whole in ``timeout_s`` seconds is checked in part.
    """
    deadline = time.monotonic() + timeout_s
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=timeout_s)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 100_000)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            verdict = "ok"
    return ("" if verdict == "ok" else str(verdict)), (row[0] if row else None)


def _shared(url: str, timeout_s: float) -> Finding:
    from copaw.app.background.database import version_of

    async def ask() -> str | None:
        async with asyncio.timeout(timeout_s):
            return await version_of(url)

    name = "the database of COPAW_DATABASE_URL"
    try:
        return _judged(asyncio.run(ask()), name)
    except TimeoutError:
        why = f"no answer within {timeout_s:g} s"
    except CopawError as error:
        why = error.message
    return Finding(CHECK, Level.ERROR, f"{name.capitalize()} cannot be used: {why}", 'echo "$COPAW_DATABASE_URL"')


def _judged(version: str | None, name: str) -> Finding:
    from copaw.app.background.schema import HEAD

    if version is not None and version > HEAD:
        return Finding(CHECK, Level.ERROR, f"{name} was written by a newer copaw ({version}).", "copaw update")
    if version == HEAD:
        return Finding(CHECK, Level.OK, f"{name} can be used.")
    return Finding(CHECK, Level.OK, f"{name} is brought up to date when the server starts next.")
