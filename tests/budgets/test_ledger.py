"""What a background task costs the ledger, and what it leaves behind: nothing. The real engine on the demo model."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import event

from copaw.app.background.database import SqliteDatabase
from copaw.app.background.sql_store import SqlTaskStore
from copaw.app.background.submission import parse_submission
from copaw.app.services import Services, open_services
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request
from copaw.testing.live_objects import live_objects

AGENT = "default"
AT_ONCE = 10


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield services


async def tasks(services: Services, count: int) -> None:
    """So many tasks to their recorded end, ten at once, in ten sessions that are emptied each time."""
    sessions = services.generations.files(AGENT).sessions_dir

    async def person(number: int) -> None:
        for _ in range(count // AT_ONCE):
            (sessions / f"u_s{number}.json").unlink(missing_ok=True)
            asked = request("tokens 5", session_id=f"s{number}").model_dump(mode="json")
            record = await services.tasks.submit(parse_submission(AGENT, asked, asked, default_timeout_s=60.0))
            assert (await services.tasks.wait(record.id)).state == "succeeded"

    await asyncio.gather(*(person(number) for number in range(AT_ONCE)))
    await services.chats.flush()
    await eventually(lambda: not services.manager.slot(AGENT).tracker.active(), "no run is under way")


def statements_of(store: SqlTaskStore) -> Counter[str]:
    """Counts what is sent to the database from now on, by its first two words."""
    counts: Counter[str] = Counter()
    assert isinstance(store.database, SqliteDatabase)

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        counts[" ".join(statement.split()[:2])] += 1

    event.listen(store.database.engine, "before_cursor_execute", count)
    return counts


async def test_a_task_is_at_most_four_statements(services: Services) -> None:
    await tasks(services, AT_ONCE)
    store = await services.tasks.store()
    assert isinstance(store, SqlTaskStore)
    counts = statements_of(store)
    await tasks(services, 100)
    # Accepted, begun unless it ends soon, ended with its events, which are written four times a second in the meantime.
    assert counts["INSERT INTO"] <= 100 + 100 + 40
    assert 100 <= counts["UPDATE tasks"] <= 200
    # What happens at the same time shares a transaction.
    assert counts.pop("BEGIN") <= 200
    assert set(counts) == {"INSERT INTO", "UPDATE tasks"}


async def test_tasks_leave_no_task_and_no_lease(services: Services) -> None:
    await tasks(services, 20)
    before = asyncio.all_tasks()
    await tasks(services, 20)
    await eventually(lambda: not asyncio.all_tasks() - before, "everything that came with a task has ended")
    workspace = services.manager.slot(AGENT).current
    assert workspace is not None
    assert (len(workspace.leases), len(services.locks)) == (0, 0)


async def test_the_number_of_live_objects_does_not_grow_with_tasks(services: Services) -> None:
    await tasks(services, 200)
    before = live_objects()
    await tasks(services, 1600)
    after = live_objects()
    # One object kept for each task would be 1,600.
    assert after.total() - before.total() < 800, (after - before).most_common(5)


async def test_a_task_leaves_nothing_to_the_garbage_collector(services: Services) -> None:
    """Objects that know each other stay until all that is alive was looked at, which is seldom and long."""
    await tasks(services, 50)
    gc.collect()
    gc.disable()
    try:
        await tasks(services, 200)
        found = gc.collect()
    finally:
        gc.enable()
    # One object for each task would be 200.
    assert found < 100
