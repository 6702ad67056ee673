"""Nothing that hangs, lags or loses interest may hold up an agent, or be left over when it is shut down."""

from __future__ import annotations

import asyncio

import pytest

from copaw.aiokits.lease import LeaseSet
from copaw.app.agent_slot import MAX_SUPERSEDED_IN_A_ROW
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import Outcome
from copaw.errors import EndReason
from copaw.testing.fake_agents import FakeWorld
from copaw.testing.simulation_loop import run_virtual

pytestmark = pytest.mark.looptime


async def started(world: FakeWorld) -> MultiAgentManager:
    world.configure("a")
    manager = world.manager()
    await manager.start_agent("a")
    return manager


async def test_work_on_one_generation_does_not_count_on_another() -> None:
    one, other = LeaseSet(), LeaseSet()
    one.acquire("task")
    assert (len(one), len(other)) == (1, 0)


async def test_a_newer_edit_gets_past_a_build_that_hangs() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", value=1, hang=True)
    first = manager.request_reload("a")
    await asyncio.sleep(1)
    world.configure("a", value=2, hang=False)
    async with asyncio.timeout(1):
        assert (await manager.reload_agent("a")).outcome is Outcome.SWAPPED
    assert (await first).outcome is Outcome.SWAPPED
    await manager.stop_all(0.0)


async def test_an_edit_in_the_very_tick_in_which_a_build_begins_is_not_kept_waiting() -> None:
    world = FakeWorld()
    manager = await started(world)

    def ask_again(agent_id: str) -> None:
        world.on_read = lambda _agent_id: None
        world.configure(agent_id, value=2)
        asyncio.get_running_loop().call_soon(manager.request_reload, agent_id)

    world.configure("a", value=1)
    world.on_read = ask_again
    async with asyncio.timeout(1):
        assert (await manager.reload_agent("a")).outcome is Outcome.SWAPPED
    assert world.built_values == [0, 2]
    await manager.stop_all(0.0)


async def test_disabling_and_enabling_gets_past_a_build_that_hangs() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", value=1, hang=True)
    reload = manager.request_reload("a")
    await asyncio.sleep(1)
    await manager.stop_agent("a", EndReason.AGENT_DISABLED)
    assert (await reload).outcome is Outcome.SUPERSEDED
    world.configure("a", value=2, hang=False)
    async with asyncio.timeout(1):
        assert (await manager.start_agent("a")).outcome is Outcome.SWAPPED
    assert world.open_now == ["a:2"]
    await manager.stop_all(0.0)


async def test_a_build_that_hangs_fails_in_the_end_and_the_old_generation_serves_on() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", value=1, hang=True)
    async with asyncio.timeout(1000):
        report = await manager.reload_agent("a")
    assert report.outcome is Outcome.FAILED
    assert "longer than" in (report.error or "")
    assert world.open_now == ["a:0"]
    await manager.stop_all(0.0)


async def test_builds_that_hang_and_edits_without_end_still_have_an_outcome() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", hang=True)
    waiters = []
    for value in range(1, MAX_SUPERSEDED_IN_A_ROW + 5):
        world.configure("a", value=value)
        waiters.append(manager.request_reload("a"))
        await asyncio.sleep(1)
    async with asyncio.timeout(1000):
        reports = [await waiter for waiter in waiters]
    assert {report.outcome for report in reports} == {Outcome.FAILED}
    await manager.stop_all(0.0)


async def test_a_stop_discards_even_a_build_that_no_edit_may_overtake_any_more() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", build_s=1.0)
    for value in range(1, MAX_SUPERSEDED_IN_A_ROW + 3):
        world.configure("a", value=value)
        manager.request_reload("a")
        await asyncio.sleep(0.2)
    await manager.stop_agent("a", EndReason.AGENT_DISABLED)
    await asyncio.sleep(10)
    assert manager.slot("a").current is None
    assert world.open_now == []
    await manager.stop_all(0.0)


async def test_a_shutdown_waits_for_a_candidate_that_is_being_discarded() -> None:
    world = FakeWorld()
    manager = await started(world)
    world.configure("a", value=1, build_s=0.5, close_s=3.0)
    manager.request_reload("a")
    await asyncio.sleep(0.2)
    manager.request_reload("a")
    await asyncio.sleep(1)  # It is overtaken, and closing by now.
    world.configure("a", close_s=0.0)
    await manager.stop_all(0.0)
    assert world.open_now == []


def test_waiting_for_a_start_whose_first_asker_has_gone_does_not_spin() -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    async def course() -> None:
        world = FakeWorld()
        world.configure("a", build_s=0.1)
        manager = world.manager()
        manager.start_agent("a").cancel()
        assert (await manager.get_agent("a")).current is not None
        await manager.stop_all(0.0)

    run_virtual(course(), count)
    assert steps < 100
