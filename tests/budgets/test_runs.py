"""What a run leaves behind: nothing. Real services and the real engine on the demo model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from copaw.app.services import Services, open_services
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request
from copaw.testing.live_objects import live_objects

AT_ONCE = 10
AGENT = "default"


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield services


async def chats(services: Services, count: int) -> None:
    """So many runs to their end, ten at once, always in the same ten sessions, which are emptied each time."""
    sessions = services.generations.files(AGENT).sessions_dir

    async def person(number: int) -> None:
        for _ in range(count // AT_ONCE):
            (sessions / f"u_s{number}.json").unlink(missing_ok=True)
            run = await services.runner.start(
                request("tokens 5", session_id=f"s{number}"), AGENT, kind="stream", wait_for_session=True
            )
            assert (await run.wait_end())["status"] == "completed"

    await asyncio.gather(*(person(number) for number in range(AT_ONCE)))
    await services.chats.flush()
    await eventually(lambda: not services.manager.slot(AGENT).tracker.active(), "no run is under way")


async def test_runs_leave_no_task_and_no_lease(services: Services) -> None:
    await chats(services, 20)
    # What the server does for itself after its start may still be ending.
    before = asyncio.all_tasks()
    await chats(services, 20)
    await eventually(lambda: not asyncio.all_tasks() - before, "every task that came with a run has ended")
    workspace = services.manager.slot(AGENT).current
    assert workspace is not None
    assert (len(workspace.leases), len(services.locks)) == (0, 0)


async def test_a_hundred_runs_start_no_further_thread(services: Services) -> None:
    # What the server starts for itself, in the background, is no matter of runs.
    await services.watching.wait()
    await services.tasks.store()
    # The event loop's pool grows to its bound with the number of calls, not with what is under way.
    await asyncio.gather(*(asyncio.to_thread(threading.Event().wait, 0.01) for _ in range(64)))
    await chats(services, 20)
    before = set(threading.enumerate())
    await chats(services, 100)
    assert not {thread.name for thread in set(threading.enumerate()) - before}


async def test_the_number_of_live_objects_does_not_grow_with_runs(services: Services) -> None:
    await chats(services, 200)
    before = live_objects()
    await chats(services, 1600)
    after = live_objects()
    # One object kept for each run would be 1,600.
    assert after.total() - before.total() < 800, (after - before).most_common(5)
