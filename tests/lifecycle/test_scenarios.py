"""What may happen around a reload, each as a story of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import aclosing

import pytest

from copaw.aiokits.lease import LeaseRefused
from copaw.app.reloads.outcome import Outcome
from copaw.app.runner.session import SessionFiles
from copaw.app.runner.task_tracker import Run, RunStatus
from copaw.app.workspace import Workspace
from copaw.errors import EndReason, SessionBusy
from copaw.ports import EventSink, Turn
from copaw.testing.fake_agents import GENERATION, FakeRunner
from copaw.testing.fake_runs import STEPS_AFTER_OWN_RELOAD, Manner, Plan
from copaw.testing.stage import Stage

virtual = pytest.mark.looptime


def generations(run: Run) -> set[int]:
    return {event.payload[GENERATION] for event in run.events if GENERATION in event.payload}


def terminal_events(run: Run) -> int:
    return sum(event.terminal for event in run.events)


# -- runs ----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_run_reloads_its_own_agent_and_goes_on_with_three_more_tool_calls() -> None:
    stage = Stage("a")
    await stage.begin()
    run = await stage.runs.start("a", Plan(Manner.SELF_RELOAD, steps=1, step_s=1.0, other="a"))
    assert (await run.wait_end())["status"] == "completed"
    assert [report.outcome for report in stage.runs.own_reloads] == [Outcome.SWAPPED]
    assert len(run.events) == 1 + STEPS_AFTER_OWN_RELOAD + 1
    assert len(generations(run)) == 1
    assert run.generation == 1
    assert stage.current().generation == 2
    await stage.end()


@virtual
async def test_two_runs_that_reload_their_own_agent_do_not_wait_for_each_other() -> None:
    stage = Stage("a")
    stage.world.configure("a", max_draining=1, grace_s=None)
    await stage.begin()
    runs = [
        await stage.runs.start("a", Plan(Manner.SELF_RELOAD, steps=1, step_s=step_s, other="a"))
        for step_s in (0.1, 1.0)
    ]
    for run in runs:
        await run.wait_end()
    assert [report.outcome for report in stage.runs.own_reloads] == [Outcome.SWAPPED, Outcome.HELD]
    await stage.end()


@virtual
async def test_a_run_that_waits_for_another_agent_hears_within_seconds_that_its_grace_expired() -> None:
    stage = Stage("a", "b", unwind_s=1.0)
    await stage.begin()
    endless = Plan(steps=1000, step_s=1.0)
    run = await stage.runs.start("a", Plan(Manner.PARENT, steps=1, other="b", child=endless))
    await asyncio.sleep(5)
    begin = asyncio.get_running_loop().time()
    await stage.reload("b", grace_s=2.0)
    assert (await run.wait_end())["status"] == "completed"
    assert asyncio.get_running_loop().time() - begin < 2.0 + 1.0
    child = stage.runs.accepted[-1][1]
    assert child.lease.end_reason == EndReason.RELOAD_GRACE_EXPIRED
    assert [event.payload.get("child") for event in run.events if "child" in event.payload] == ["failed"]
    await stage.end()


@virtual
async def test_agents_that_wait_for_each_other_in_a_circle_come_to_an_end() -> None:
    stage = Stage("a", "b")
    await stage.begin()
    inner = Plan(Manner.PARENT, other="a", child=Plan(steps=2, step_s=1.0))
    run = await stage.runs.start("a", Plan(Manner.PARENT, other="b", child=inner))
    await asyncio.sleep(0.5)
    await stage.reload("a")
    await stage.reload("b")
    assert (await run.wait_end())["status"] == "completed"
    assert [(agent, run.status) for agent, run in stage.runs.accepted] == [
        (agent, RunStatus.COMPLETED) for agent in ("a", "b", "a")
    ]
    await stage.end()


@virtual
async def test_an_expiry_in_the_very_tick_in_which_a_run_ends_gives_one_end() -> None:
    ends = Counter[str]()
    for offset in range(-3, 4):
        stage = Stage("a")
        await stage.begin()
        loop = asyncio.get_running_loop()
        run = await stage.runs.start("a", Plan(steps=1, step_s=3.0))
        began = loop.time()
        await stage.reload(grace_s=None)
        await asyncio.sleep(began + 3.0 - loop.time() + offset * 1e-9)
        stage.manager.slot("a").draining.expire(1)
        last = await run.wait_end()
        await asyncio.sleep(1)
        assert terminal_events(run) == 1
        assert (last["status"] == "completed") is ("error" not in last or last["error"] is None)
        assert run.lease.released
        ends[last["status"]] += 1
        await stage.end()
    assert ends["completed"] >= 1


@virtual
async def test_a_run_that_swallows_its_cancellation_keeps_nothing_else_open() -> None:
    stage = Stage("a", unwind_s=2.0)
    await stage.begin()
    run = await stage.runs.start("a", Plan(Manner.STUBBORN, tail_s=500.0))
    old = stage.current()
    await stage.reload(grace_s=1.0)
    begin = asyncio.get_running_loop().time()
    last = await run.wait_end()
    await old.wait_closed()
    assert asyncio.get_running_loop().time() - begin == pytest.approx(3.0, abs=0.1)
    assert last["error"]["reason"] == EndReason.RELOAD_GRACE_EXPIRED
    assert stage.world.open_now == ["a:1"]
    await asyncio.sleep(600)
    assert terminal_events(run) == 1
    assert run.events[-1].terminal
    await stage.end()


async def test_a_run_that_is_stuck_in_a_thread_is_abandoned_and_its_late_words_are_dropped() -> None:
    stage = Stage("a", unwind_s=0.02)
    free, inside = threading.Event(), asyncio.Event()

    async def stuck(_turn: Turn, emit: EventSink) -> None:
        inside.set()
        thread = asyncio.ensure_future(asyncio.to_thread(free.wait, 10))
        while not thread.done():
            try:
                await asyncio.shield(thread)
            except asyncio.CancelledError:
                continue
        emit({"object": "content", "status": "in_progress"})

    await stage.begin()
    stage.world.script = stuck
    run = await stage.runs.start("a", Plan())
    await inside.wait()
    old = stage.current()
    await stage.reload(grace_s=0.0)
    await old.wait_closed()
    assert terminal_events(run) == 1
    said = len(run.events)
    free.set()
    assert run._task is not None
    await asyncio.wait([run._task])
    assert len(run.events) == said
    await stage.end()


@virtual
async def test_losing_every_viewer_ends_no_run() -> None:
    stage = Stage("a")
    await stage.begin()
    run = await stage.runs.start("a", Plan(steps=5, step_s=1.0))
    async with aclosing(run.follow()) as events:
        await anext(events)
    await stage.reload()
    assert (await run.wait_end())["status"] == "completed"
    await stage.end()


@virtual
async def test_a_run_accepted_just_before_the_swap_begins_and_ends_on_its_own_generation() -> None:
    stage = Stage("a")
    await stage.begin()
    slot, runs = stage.manager.slot("a"), []
    swap = slot._swap

    def start_then_swap(revision: int, candidate: Workspace, changed: list[str]) -> None:
        starting = stage.runs.start("a", Plan(steps=2, step_s=1.0))
        # From the look-up to the lease and the run there is no await, so one push takes it to its end.
        with pytest.raises(StopIteration) as accepted:
            starting.send(None)
        runs.append(accepted.value.value)
        swap(revision, candidate, changed)

    slot._swap = start_then_swap  # type: ignore[method-assign]
    first = stage.current().runner
    await stage.reload()
    assert isinstance(first, FakeRunner)
    assert (await runs[0].wait_end())["status"] == "completed"
    assert generations(runs[0]) == {first.serial}
    await stage.end()


@virtual
async def test_a_generation_that_was_replaced_takes_children_of_its_work_and_nothing_else() -> None:
    stage = Stage("a")
    await stage.begin()
    old, lease = stage.manager.acquire("a", "task")
    await stage.reload()
    with pytest.raises(LeaseRefused):
        old.leases.acquire("stream")
    child = old.leases.acquire("child", parent=lease)
    lease.release()
    child.release()
    await old.wait_closed()
    with pytest.raises(LeaseRefused):
        old.leases.acquire("child", parent=lease)
    await stage.end()


@virtual
async def test_a_run_that_is_refused_leaves_no_lease_behind() -> None:
    stage = Stage("a")
    await stage.begin()
    await (await stage.runs.start("a", Plan())).wait_end()
    await asyncio.sleep(0.01)
    snapshot = stage.current().snapshot
    busy = SessionFiles(snapshot.files.sessions_dir).path("u", "s2")
    async with stage.runs.locks.hold(busy):
        with pytest.raises(SessionBusy):
            await stage.runs.start("a", Plan())
    assert len(stage.current().leases) == 0
    await stage.end()


# -- builds --------------------------------------------------------------------------------------------------------


@virtual
async def test_a_storm_of_edits_with_slow_failing_and_hanging_builds_ends_with_the_last_one() -> None:
    stage = Stage("a", build_s=5.0)
    await stage.begin()
    waiters = []
    for number in range(100):
        stage.edit(
            "a",
            value=number + 1,
            build_s=0.3 if number % 3 else 0.0,
            build_error="refused" if number % 5 == 1 else "",
            hang=number % 7 == 2,
        )
        waiters.append(stage.manager.request_reload("a"))
        await asyncio.sleep(0.01)
    stage.world.configure("a", build_error="", hang=False)
    waiters.append(stage.manager.request_reload("a"))
    reports = [await waiter for waiter in waiters]
    assert reports[-1].outcome in (Outcome.SWAPPED, Outcome.UNCHANGED)
    assert stage.current().snapshot.revision == 100
    assert len(stage.world.built_values) <= 1 + 4
    await asyncio.sleep(10)
    assert stage.world.open_now == ["a:100"]
    await stage.end()


@virtual
async def test_a_slow_old_build_never_replaces_a_newer_one() -> None:
    stage = Stage("a")
    await stage.begin()
    served = set()
    stage.edit("a", value=1, build_s=3.0)
    stage.manager.request_reload("a")
    await asyncio.sleep(1)
    stage.edit("a", value=2, build_s=0.0)
    stage.manager.request_reload("a")
    for _ in range(60):
        await asyncio.sleep(0.1)
        served.add(stage.current().snapshot.revision)
    assert served == {2}
    await stage.end()


@virtual
async def test_a_start_that_fails_half_way_closes_what_it_had_opened() -> None:
    stage = Stage("a")
    await stage.begin()
    outcome = await stage.reload(pooled={"mcp": 1}, build_s=1.0, build_error="the second one refused")
    assert outcome is Outcome.FAILED
    assert stage.world.open_now == ["a:0"]
    assert not +stage.world.pool_open
    assert stage.current().generation == 1
    assert await stage.reload(build_error="") is Outcome.SWAPPED
    await stage.end()


@virtual
async def test_one_bad_pooled_entry_among_good_ones_leaves_the_agent_serving_with_the_rest() -> None:
    stage = Stage("a")
    await stage.begin()
    refused = frozenset({"two"})
    assert await stage.reload(pooled={"one": 1, "two": 1, "three": 1}, refused=refused) is Outcome.SWAPPED
    runner = stage.current().runner
    assert isinstance(runner, FakeRunner)
    assert (runner.pooled, runner.missing) == (["one=1", "three=1"], ["two"])
    await stage.end()


@virtual
async def test_a_pooled_resource_changed_and_changed_back_is_open_once_whichever_generation_ends_first() -> None:
    stage = Stage("a")
    stage.world.configure("a", pooled={"mcp": 1})
    await stage.begin()
    leases = []
    for value in (2, 1):
        leases.append(stage.manager.acquire("a", "task"))
        await stage.reload(pooled={"mcp": value})
    leases.append(stage.manager.acquire("a", "task"))
    await stage.reload(pooled={})
    statistics = stage.world.pool.statistics()
    assert statistics.opened == 2  # The third generation found the first one's still open.
    for (workspace, lease), open_after in zip(reversed(leases), [{"mcp=1", "mcp=2"}, {"mcp=1"}, set()], strict=True):
        lease.release()
        await workspace.wait_closed()
        assert set(+stage.world.pool_open) == open_after
    await stage.end()
