"""An agent's slot: swap at once, drain to the end, and one order for everything that changes generations."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from copaw.aiokits.lease import Lease
from copaw.app.agent_slot import AgentSlot
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import Outcome
from copaw.app.workspace import Workspace, WorkspaceState
from copaw.errors import AgentDisabled, AgentNotFound, AgentNotServing, EndReason, ServerClosing
from copaw.testing.fake_agents import FakeWorld

pytestmark = pytest.mark.looptime


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.configure("a")
    return world


async def started(world: FakeWorld, agent_id: str = "a") -> tuple[MultiAgentManager, AgentSlot]:
    manager = world.manager()
    await manager.start_agent(agent_id)
    return manager, manager.slot(agent_id)


async def changed(world: FakeWorld, manager: MultiAgentManager, value: int) -> Outcome:
    world.configure("a", value=value)
    return (await manager.reload_agent("a")).outcome


def test_looking_up_and_leasing_is_one_step_without_an_await() -> None:
    assert not inspect.iscoroutinefunction(MultiAgentManager.acquire)
    assert not inspect.iscoroutinefunction(AgentSlot.acquire)


async def test_idle_agent_swaps_and_the_old_generation_closes(world: FakeWorld) -> None:
    manager, slot = await started(world)
    first = slot.current
    assert await changed(world, manager, 1) is Outcome.SWAPPED
    assert first is not None
    await first.wait_closed()
    assert first.state is WorkspaceState.CLOSED
    assert slot.current is not None
    assert slot.current.generation == 2
    assert world.open_now == ["a:1"]


async def test_unchanged_configuration_builds_nothing(world: FakeWorld) -> None:
    manager, slot = await started(world)
    assert (await manager.reload_agent("a")).outcome is Outcome.UNCHANGED
    assert world.built_values == [0]
    assert slot.current is not None
    assert slot.current.generation == 1


async def test_a_lease_keeps_its_generation_open_across_reloads(world: FakeWorld) -> None:
    manager, slot = await started(world)
    workspace, lease = manager.acquire("a", "stream")
    for value in (1, 2, 3):
        await changed(world, manager, value)
    await asyncio.sleep(10)
    assert world.open_now == ["a:0", "a:3"]
    assert list(slot.draining) == [1]
    lease.release()
    await workspace.wait_closed()
    assert world.open_now == ["a:3"]
    assert slot.draining == {}


async def test_the_last_release_closes_without_waiting_for_a_timer(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    workspace, lease = manager.acquire("a", "stream")
    await changed(world, manager, 1)
    before = asyncio.get_running_loop().time()
    lease.release()
    await workspace.wait_closed()
    assert asyncio.get_running_loop().time() == before


async def test_a_fresh_acquire_never_gives_a_draining_generation(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    old, lease = manager.acquire("a", "stream")
    await changed(world, manager, 1)
    new, fresh = manager.acquire("a", "stream")
    assert new is not old
    child_of_old = old.leases.acquire("child", parent=lease)
    for held in (child_of_old, lease, fresh):
        held.release()


async def test_a_request_resolved_just_before_the_swap_stays_on_its_generation(world: FakeWorld) -> None:
    manager, slot = await started(world)
    held: list[tuple[Workspace, Lease]] = []
    swap = slot._swap

    def acquire_then_swap(revision: int, candidate: Workspace, changed: list[str]) -> None:
        held.append(manager.acquire("a", "stream"))
        swap(revision, candidate, changed)
        held.append(manager.acquire("a", "stream"))

    slot._swap = acquire_then_swap  # type: ignore[method-assign]
    await changed(world, manager, 1)
    (before, first), (after, second) = held
    assert (before.generation, after.generation) == (1, 2)
    assert before.state is WorkspaceState.DRAINING
    assert before.runner is not None
    first.release()
    second.release()


async def test_a_failed_start_leaves_the_old_generation_serving(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", value=1, build_error="port refused")
    outcome = await manager.reload_agent("a")
    assert outcome.outcome is Outcome.FAILED
    assert "port refused" in (outcome.error or "")
    assert slot.current is not None
    assert slot.current.generation == 1
    assert world.open_now == ["a:0"]
    world.configure("a", value=2, build_error="")
    assert (await manager.reload_agent("a")).outcome is Outcome.SWAPPED
    await asyncio.sleep(0.01)
    assert world.open_now == ["a:2"]


async def test_an_invalid_configuration_names_the_fault_and_builds_nothing(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", value=1, invalid="running.max_iters: must be at least 1")
    outcome = await manager.reload_agent("a")
    assert outcome.outcome is Outcome.FAILED
    assert outcome.error == "running.max_iters: must be at least 1"
    assert world.built_values == [0]
    assert slot.current is not None


async def test_requests_during_one_build_cause_one_more_build(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", value=1, build_s=5.0)
    first = asyncio.ensure_future(manager.reload_agent("a"))
    await asyncio.sleep(1)
    world.configure("a", value=2, build_s=0.0)
    rest = [manager.request_reload("a") for _ in range(50)]
    outcomes = [await first, *[await one for one in rest]]
    assert {one.outcome for one in outcomes} == {Outcome.SWAPPED}
    assert world.built_values == [0, 1, 2]
    assert slot.current is not None
    assert slot.current.snapshot.revision == 2
    await asyncio.sleep(0.01)
    assert world.open_now == ["a:2"]


async def test_a_hundred_edits_in_one_second_cause_at_most_two_builds(world: FakeWorld) -> None:
    manager, slot = await started(world)
    for value in range(1, 101):
        world.configure("a", value=value)
        manager.request_reload("a")
        await asyncio.sleep(0.01)
    assert (await manager.reload_agent("a")).outcome in (Outcome.SWAPPED, Outcome.UNCHANGED)
    assert len(world.built_values) - 1 <= 2
    assert slot.current is not None
    assert slot.current.snapshot.revision == 100


async def test_a_steady_stream_of_edits_with_slow_builds_still_commits(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", build_s=0.5)
    generations = set()
    for value in range(1, 300):
        world.configure("a", value=value)
        manager.request_reload("a")
        await asyncio.sleep(0.04)
        assert slot.current is not None
        generations.add(slot.current.generation)
    assert len(generations) > 1
    await manager.reload_agent("a")
    assert slot.current.snapshot.revision == 299


async def test_grace_expiry_ends_what_is_left_and_says_why(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    world.configure("a", grace_s=2.0)
    workspace, lease = manager.acquire("a", "task", "t1")
    reasons: list[str] = []

    def unwind(reason: str) -> None:
        reasons.append(reason)
        asyncio.get_running_loop().call_later(0.5, lease.release)

    lease.bind(unwind)
    begin = asyncio.get_running_loop().time()
    await manager.reload_agent("a")
    swapped = asyncio.get_running_loop().time()
    await workspace.wait_closed()
    assert reasons == [EndReason.RELOAD_GRACE_EXPIRED]
    assert asyncio.get_running_loop().time() == pytest.approx(swapped + 2.5, abs=0.01)
    assert swapped - begin < 1
    assert workspace.state is WorkspaceState.CLOSED


async def test_a_grace_of_zero_ends_at_once_and_none_never(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    world.configure("a", grace_s=None)
    workspace, lease = manager.acquire("a", "task")
    await manager.reload_agent("a")
    await asyncio.sleep(1_000_000)
    assert workspace.state is WorkspaceState.DRAINING
    second, held = manager.acquire("a", "task")
    held.bind(lambda _reason: held.release())
    world.configure("a", grace_s=0.0)
    await manager.reload_agent("a")
    await second.wait_closed()
    assert held.end_reason == EndReason.RELOAD_GRACE_EXPIRED
    lease.release()


async def test_a_holder_that_does_not_unwind_is_abandoned_by_name(
    world: FakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    manager, _slot = await started(world)
    world.configure("a", grace_s=0.0)
    workspace, lease = manager.acquire("a", "task", "stuck-one")
    await manager.reload_agent("a")
    await workspace.wait_closed()
    assert lease.released
    assert workspace.state is WorkspaceState.CLOSED
    assert "stuck-one" in caplog.text
    assert "abandoned" in caplog.text


async def test_draining_generations_are_bounded_by_holding_the_reload(world: FakeWorld) -> None:
    world.configure("a", max_draining=2)
    manager, slot = await started(world)
    leases = []
    for value in (1, 2):
        leases.append(manager.acquire("a", "task")[1])
        await changed(world, manager, value)
    leases.append(manager.acquire("a", "task")[1])
    world.configure("a", value=3)
    held = await manager.reload_agent("a")
    assert held.outcome is Outcome.HELD
    assert slot.revisions.pending
    await asyncio.sleep(100)
    assert len(slot.draining) == 2
    assert all(lease.end_reason is None for lease in leases)
    leases[0].release()
    await asyncio.sleep(0.1)
    assert not slot.revisions.pending
    assert slot.current is not None
    assert slot.current.snapshot.revision == 3
    for lease in leases[1:]:
        lease.release()


async def test_an_agent_that_is_enabled_again_keeps_to_the_bound_as_well(world: FakeWorld) -> None:
    world.configure("a", max_draining=1)
    manager, slot = await started(world)
    manager.acquire("a", "task", "hears nothing")
    await manager.stop_agent("a", EndReason.AGENT_DISABLED)
    assert (await manager.start_agent("a")).outcome is Outcome.HELD
    with pytest.raises(AgentNotServing, match="still starting"):
        manager.acquire("a", "task")
    assert [*slot.draining] == [1]
    # As long as what hears nothing may take to unwind.
    await asyncio.sleep(11)
    assert not slot.draining
    assert slot.current is not None
    assert slot.current.generation == 2


async def test_disabling_refuses_at_once_and_ends_with_its_cause(world: FakeWorld) -> None:
    manager, slot = await started(world)
    workspace, lease = manager.acquire("a", "task")
    lease.bind(lambda _reason: lease.release())
    await manager.stop_agent("a", EndReason.AGENT_DISABLED)
    with pytest.raises(AgentDisabled):
        manager.acquire("a", "task")
    await workspace.wait_closed()
    assert lease.end_reason == EndReason.AGENT_DISABLED
    assert (await manager.start_agent("a")).outcome is Outcome.SWAPPED
    assert slot.current is not None
    assert slot.current.generation == 2


async def test_a_delete_during_a_build_discards_the_candidate(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", value=1, build_s=5.0)
    reload = asyncio.ensure_future(manager.reload_agent("a"))
    await asyncio.sleep(1)
    await manager.stop_agent("a", EndReason.AGENT_DELETED, wait_closed=True)
    assert (await reload).outcome is Outcome.SUPERSEDED
    with pytest.raises(AgentNotFound):
        manager.acquire("a", "task")
    await asyncio.sleep(10)
    assert slot.current is None
    assert world.open_now == []


async def test_delete_and_re_create_during_a_build_never_serves_the_old_candidate(world: FakeWorld) -> None:
    manager, slot = await started(world)
    world.configure("a", value=1, build_s=5.0)
    manager.request_reload("a")
    await asyncio.sleep(1)
    stopped = asyncio.ensure_future(manager.stop_agent("a", EndReason.AGENT_DELETED))
    await asyncio.sleep(0)
    world.configure("a", value=7, build_s=0.0)
    outcome = await manager.start_agent("a")
    await stopped
    await asyncio.sleep(0.01)
    assert outcome.outcome is Outcome.SWAPPED
    assert slot.current is not None
    assert slot.current.snapshot.revision == 7
    assert world.open_now == ["a:7"]


async def test_an_agent_that_never_started_says_why(world: FakeWorld) -> None:
    world.configure("a", build_error="no such model")
    manager = world.manager()
    assert (await manager.start_agent("a")).outcome is Outcome.FAILED
    with pytest.raises(AgentNotServing, match="no such model"):
        manager.acquire("a", "stream")


async def test_waiting_for_a_start_returns_when_it_serves(world: FakeWorld) -> None:
    world.configure("a", build_s=3.0)
    manager = world.manager()
    manager.start_agent("a")
    with pytest.raises(AgentNotServing, match="starting"):
        manager.acquire("a", "stream")
    slot = await manager.get_agent("a")
    assert slot.current is not None


async def test_shutdown_drains_every_generation_and_then_ends_the_rest(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    old, first = manager.acquire("a", "task")
    await changed(world, manager, 1)
    new, second = manager.acquire("a", "task")
    second.bind(lambda _reason: second.release())
    asyncio.get_running_loop().call_later(3, first.release)
    begin = asyncio.get_running_loop().time()
    await manager.stop_all(10.0)
    assert asyncio.get_running_loop().time() - begin == pytest.approx(10.0, abs=0.1)
    assert (first.end_reason, second.end_reason) == (None, EndReason.SERVER_SHUTDOWN)
    assert (old.state, new.state) == (WorkspaceState.CLOSED, WorkspaceState.CLOSED)
    assert world.open_now == []
    with pytest.raises(ServerClosing):
        manager.acquire("a", "task")


async def test_shutdown_during_a_build_leaves_nothing_behind(world: FakeWorld) -> None:
    manager, _slot = await started(world)
    world.configure("a", value=1, build_s=50.0)
    waiting = manager.request_reload("a")
    await asyncio.sleep(1)
    await manager.stop_all(0.0)
    assert world.open_now == []
    with pytest.raises(ServerClosing):
        await waiting
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


async def test_one_agents_reload_does_not_touch_another(world: FakeWorld) -> None:
    world.configure("b")
    manager, _ = await started(world)
    await manager.start_agent("b")
    world.configure("a", value=1, build_s=1000.0)
    manager.request_reload("a")
    await asyncio.sleep(1)
    world.configure("b", value=9)
    begin = asyncio.get_running_loop().time()
    assert (await manager.reload_agent("b")).outcome is Outcome.SWAPPED
    assert asyncio.get_running_loop().time() - begin < 0.1
    await manager.stop_all(0.0)


async def test_a_thousand_reloads_leave_one_generation_and_no_tasks(world: FakeWorld) -> None:
    manager, slot = await started(world)
    for value in range(1, 1001):
        await changed(world, manager, value)
    await asyncio.sleep(1)
    assert slot.generations() == [slot.current]
    assert len(world.open_now) == 1
    assert len(asyncio.all_tasks()) == 3  # this test, the reconcile task, the current generation


async def test_a_lease_without_progress_is_reported_once_and_then_at_doubled_intervals(
    world: FakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    manager, _slot = await started(world)
    _workspace, idle = manager.acquire("a", "task", "idle-one")
    _, busy = manager.acquire("a", "task", "busy-one")
    await changed(world, manager, 1)
    reported = []
    for second in range(400):
        await asyncio.sleep(1)
        busy.touch()
        if "idle-one" in caplog.text:
            reported.append(second)
            caplog.clear()
    assert len(reported) == 3
    assert reported == pytest.approx([60, 120, 240], abs=3)
    assert "busy-one" not in caplog.text
    idle.release()
    busy.release()


async def test_an_agent_that_is_to_start_later_starts_when_it_may(world: FakeWorld) -> None:
    manager = world.manager()
    outcome = manager.start_agent("a", later=True)
    slot = manager.slot("a")
    await asyncio.sleep(60)
    assert (world.built_values, slot.state, outcome.done()) == ([], "starting", False)
    with pytest.raises(AgentNotServing, match="still starting"):
        manager.acquire("a", "stream")
    slot.begin()
    slot.begin()
    assert (await outcome).outcome is Outcome.SWAPPED
    assert world.built_values == [0]


async def test_an_agent_that_is_to_start_later_starts_when_somebody_needs_it(world: FakeWorld) -> None:
    manager = world.manager()
    manager.start_agent("a", later=True)
    await manager.get_agent("a")
    manager.acquire("a", "stream")[1].release()
    assert world.built_values == [0]


async def test_a_reload_of_an_agent_that_is_to_start_later_starts_it(world: FakeWorld) -> None:
    manager = world.manager()
    first = manager.start_agent("a", later=True)
    assert (await manager.reload_agent("a")).outcome is Outcome.SWAPPED
    assert (await first).outcome is Outcome.SWAPPED
    assert world.built_values == [0]


async def test_an_agent_that_was_stopped_before_its_turn_never_starts(world: FakeWorld) -> None:
    manager = world.manager()
    first = manager.start_agent("a", later=True)
    await manager.stop_agent("a", EndReason.AGENT_DISABLED)
    manager.slot("a").begin()
    await asyncio.sleep(60)
    assert (await first).outcome is Outcome.SUPERSEDED
    assert (world.built_values, manager.slot("a").state) == ([], "disabled")


async def test_a_shutdown_before_its_turn_leaves_nothing(world: FakeWorld) -> None:
    manager = world.manager()
    first = manager.start_agent("a", later=True)
    slot = manager.slot("a")
    await manager.stop_all(1.0)
    slot.begin()
    with pytest.raises(ServerClosing):
        await first
    await asyncio.sleep(60)
    assert world.built_values == []
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
