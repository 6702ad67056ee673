"""Opening the ledger: quick when nothing is to be done, whole or not at all, and clear about what is wrong."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from copaw.app.background.database import SqliteDatabase, sqlite_url, with_driver
from copaw.app.background.records import TaskRecord, TaskState
from copaw.app.background.sql_store import open_sql_store
from copaw.errors import BadInput, Unavailable


def task(task_id: str = "t1") -> TaskRecord:
    return TaskRecord(
        id=task_id, agent_id="a", session_id="s", user_id="u", state=TaskState.QUEUED, created_at=1.0, timeout_s=1.0
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "copaw.db"


async def test_the_tables_made_are_those_the_code_uses(file: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from copaw.app.background.schema import metadata

    store = await open_sql_store(sqlite_url(file))
    found = await store.database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    await store.aclose()
    assert found == []


def test_opening_a_ledger_that_is_up_to_date_does_not_load_alembic(file: Path) -> None:
    code = f"""
import asyncio, sys
from copaw.app.background.sql_store import open_sql_store
async def main():
    await (await open_sql_store({sqlite_url(file)!r})).aclose()
asyncio.run(main())
print("alembic" in sys.modules)
"""
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [done.stdout.strip() for done in said] == ["True", "False"]


async def test_a_migration_that_was_cut_short_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic.runtime.migration import MigrationContext

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(MigrationContext, "_ensure_version_table", lambda _self, **_: None)
        patched.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
        with pytest.raises(Unavailable, match="cut"):
            await open_sql_store(sqlite_url(file))
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
    await (await open_sql_store(sqlite_url(file))).aclose()


async def test_a_ledger_of_a_newer_version_is_not_touched(file: Path) -> None:
    await (await open_sql_store(sqlite_url(file))).aclose()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unavailable, match="another version of copaw"):
        await open_sql_store(sqlite_url(file))


async def test_a_file_that_is_no_database_is_named_and_kept(file: Path) -> None:
    await asyncio.to_thread(file.write_bytes, b"certainly not a database" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await open_sql_store(sqlite_url(file))
    assert (await asyncio.to_thread(file.read_bytes)).startswith(b"certainly")


async def test_a_lock_held_by_another_program_is_said_and_passes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copaw.app.background.database._PRAGMAS", ("PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=20"))
    store = await open_sql_store(sqlite_url(file))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="another program holds its lock"):
        await store.add(task())
    other.execute("ROLLBACK")
    other.close()
    await store.add(task())
    await store.aclose()


async def test_a_full_disk_is_said_and_what_is_there_can_be_read(file: Path) -> None:
    store = await open_sql_store(sqlite_url(file))
    await store.add(task())
    await store.database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").close())

    async def fill() -> None:
        for number in range(50):
            await store.add(replace(task(f"n{number}"), request={"text": "x" * 10_000}))

    with pytest.raises(Unavailable, match="the disk is full"):
        await fill()
    assert (await store.get("t1")).id == "t1"
    await store.aclose()


async def test_many_submissions_share_their_commits(file: Path) -> None:
    from sqlalchemy import event

    store = await open_sql_store(sqlite_url(file))
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    assert isinstance(store.database, SqliteDatabase)
    event.listen(store.database.engine, "commit", count)
    await asyncio.gather(*(store.add(task(f"t{number}")) for number in range(100)))
    await store.aclose()
    assert commits <= 3


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("sqlite+aiosqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
    ],
)
def test_an_address_gets_its_driver(url: str, full: str) -> None:
    assert with_driver(url) == full


@pytest.mark.parametrize("url", ["", "x", "mysql://h/d", "mysql+pymysql://h/d", "/tmp/x.db"])
def test_an_address_of_no_known_database_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match="COPAW_DATABASE_URL"):
        with_driver(url)


async def test_a_ledger_of_the_first_version_is_brought_up_to_date_with_its_tasks(file: Path) -> None:
    from alembic import command
    from alembic.config import Config

    def go_back(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "copaw.app.background:migrations")
        command.downgrade(config, "0001")

    store = await open_sql_store(sqlite_url(file))
    await store.add(task())
    await store.database.write(go_back)
    await store.aclose()
    again = await open_sql_store(sqlite_url(file))
    assert await again.get("t1") == task()
    await again.aclose()
