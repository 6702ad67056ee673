from __future__ import annotations

import asyncio

import pytest

from copaw.aiokits.events import wait_any, wait_quiet


@pytest.mark.looptime
async def test_the_first_of_several_events_is_enough() -> None:
    loop, first, second = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.call_later(3, second.set)
    await wait_any(first, second)
    assert loop.time() == 3
    await wait_any(first, second)
    assert loop.time() == 3
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.looptime
async def test_a_cancelled_wait_leaves_no_task() -> None:
    wait = asyncio.ensure_future(wait_any(asyncio.Event(), asyncio.Event()))
    await asyncio.sleep(1)
    wait.cancel()
    await asyncio.wait([wait])
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.looptime
@pytest.mark.parametrize(("times", "quiet_after"), [((), 5), ((2,), 7), ((2, 6, 10), 15), (range(1, 60), 20)])
async def test_quiet_is_when_nothing_came_for_a_while_but_not_for_ever(times: range, quiet_after: float) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    for at in times:
        loop.call_later(at, event.set)
    await wait_quiet(event, quiet_s=5, at_most_s=20)
    assert loop.time() == quiet_after
