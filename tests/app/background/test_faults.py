"""A database that cannot be written: submissions are refused with the reason, running work goes on, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from copaw.app._app import app
from copaw.app.background import database as module
from copaw.app.background.database import SqliteDatabase
from copaw.app.background.records import EventChunk
from copaw.app.background.settings import DATABASE_NAME
from copaw.app.background.sql_store import SqlTaskStore
from copaw.config.home import make_home
from copaw.errors import Unavailable
from copaw.paths import Paths
from copaw.testing.eventually import eventually

TASK = "/api/agent/process/task"
Fault = Callable[[SqliteDatabase, Path], Any]


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "home.secret"))
    monkeypatch.setenv("COPAW_SHUTDOWN_GRACE_SECONDS", "0.01")
    pragmas = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA busy_timeout=50")
    monkeypatch.setattr(module, "_PRAGMAS", pragmas)
    make_home(Paths.from_environment(), language="en")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://copaw"))
        await app.state.services.ready.wait()
        yield client


@contextmanager
def locked(_database: SqliteDatabase, file: Path) -> Iterator[None]:
    """Another program holds the lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def each_transaction(database: SqliteDatabase, on: str, off: str) -> Iterator[None]:
    """Set a pragma at the begin of each transaction, and set it back."""
    pragma = [on]

    def listener(connection: Any) -> None:
        connection.exec_driver_sql(pragma[0]).close()

    event.listen(database.engine, "begin", listener)
    yield
    pragma[0] = off


def full(database: SqliteDatabase, _file: Path) -> Any:
    """The file cannot grow."""
    return each_transaction(database, "PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000")


def read_only(database: SqliteDatabase, _file: Path) -> Any:
    """The file can only be read."""
    return each_transaction(database, "PRAGMA query_only=1", "PRAGMA query_only=0")


async def use_up(store: SqlTaskStore) -> None:
    """Write until no free page is left."""
    with pytest.raises(Unavailable):  # noqa: PT012 - which of the writes is refused does not matter
        for number in range(1000):
            await store.add_events([EventChunk("nobody", number, number, "x" * 3000)])


async def stored_as_running(store: SqlTaskStore, task_id: str) -> None:
    """Wait for what is written a moment after a run has begun."""
    state = ""
    async with asyncio.timeout(5):
        while state != "running":
            await asyncio.sleep(0.01)
            state = (await store.get(task_id)).state


def body(text: str) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(locked, "another program holds its lock"), (full, "the disk is full"), (read_only, "it is read-only")],
)
async def test_submissions_are_refused_and_running_work_goes_on(
    client: httpx.AsyncClient, tmp_path: Path, fault: Fault, reason: str
) -> None:
    go = tmp_path / "go"
    wait = json.dumps({"command": f"while [ ! -e {go} ]; do sleep 0.02; done; echo went"})
    # What it says is larger than a page, so that a full disk has no room for it.
    answer = await client.post(TASK, json=body(f"call execute_shell_command {wait}\nsay {{1}} {'x' * 20_000}"))
    task_id = answer.json()["task_id"]
    store = await app.state.services.tasks.store()
    assert isinstance(store, SqlTaskStore)
    assert isinstance(store.database, SqliteDatabase)
    await stored_as_running(store, task_id)
    with fault(store.database, tmp_path / "home" / DATABASE_NAME):
        if fault is full:
            await use_up(store)
        refused = await client.post(TASK, json=body("say " + "y" * 20_000))
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert reason in refused.json()["detail"]
        go.touch()
        ended = (await client.get(f"/api/tasks/{task_id}/wait", params={"timeout": 20})).json()
        assert (ended["state"], ended["result"]["status"]) == ("succeeded", "completed")
        assert (await store.get(task_id)).state == "running"
    await eventually(lambda: app.state.services.tasks.live(task_id) is None, "its end is recorded")
    recorded = await store.get(task_id)
    assert recorded.state == "succeeded"
    assert recorded.result == ended["result"]
    listed = (await client.get("/api/tasks")).json()["tasks"]
    assert [task["id"] for task in listed] == [task_id]
    assert (await client.post(TASK, json=body("say now"))).status_code == 200
