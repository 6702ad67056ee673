"""What a reload leaves behind: nothing. Real services; a thousand of them are a benchmark."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from types import CoroutineType

import pytest

from copaw.app.services import Services, open_services
from copaw.config.models import AgentProfileConfig
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home

AGENT = "default"
RELOADS = 60
_numbers = count(10)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        await services.watching.wait()
        yield services


async def reloads(services: Services, times: int) -> None:
    """So many generations, one after the other, until the last of the old ones has closed."""
    slot = services.manager.slot(AGENT)
    for number in [next(_numbers) for _ in range(times)]:

        def change(profile: AgentProfileConfig, number: int = number) -> None:
            profile.running.max_iters = number
            profile.running.reload_settle_seconds = 0.0

        await services.config.patch_agent(AGENT, change)
        assert (await services.manager.reload_agent(AGENT)).outcome in ("swapped", "unchanged")
        assert slot.current is not None
        assert slot.current.snapshot.profile.running.max_iters == number
    await eventually(lambda: not slot.draining, "every old generation has closed")


def held() -> tuple[int, int, int]:
    """Tasks, threads and open files there are."""
    return len(asyncio.all_tasks()), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where the system tells of them")
async def test_reloads_leave_no_task_no_thread_and_no_file(services: Services) -> None:
    # The event loop's pool grows to its bound with the number of calls, not with what is under way.
    await asyncio.gather(*(asyncio.to_thread(threading.Event().wait, 0.01) for _ in range(64)))
    await reloads(services, 5)
    before = held()
    await reloads(services, RELOADS)
    after = held()
    # Fewer when something that comes with the start has ended meanwhile.
    assert all(more <= less for less, more in zip(before, after, strict=True)), (before, after)


async def test_reloads_leave_no_object_of_ours(services: Services) -> None:
    await reloads(services, 5)
    before = live_objects()
    await reloads(services, RELOADS)
    assert {name: grown for name, grown in (live_objects() - before).items() if grown > 2} == {}


def live_objects() -> Counter[str]:
    """How many there are, by kind. What the event loop keeps for a while, such as timers, is not ours."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    return Counter(kind.__qualname__ for kind in kinds if _is_ours(kind))


def _is_ours(kind: type) -> bool:
    return str(kind.__module__).startswith("copaw.") or issubclass(kind, (asyncio.Future, CoroutineType))
