"""The timer of one agent: every due time once, whatever happens around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from copaw.app.crons.clock import LoopClock
from copaw.app.crons.cron_expression import parse_cron
from copaw.app.crons.entry import Entry, Result
from copaw.app.crons.scheduler import Scheduler
from copaw.app.crons.state import EntryState, MemoryStateStore
from copaw.app.crons.triggers import Interval, Trigger
from copaw.errors import BadInput, Conflict

pytestmark = pytest.mark.looptime

EPOCH = 1_800_000_000.0
EVERY_SECOND = parse_cron("* * * * * *", "UTC", seconds=True)
MINUTE = Interval(60)


class World:
    """Schedulers, one after the other, over what is stored."""

    def __init__(self) -> None:
        self.clock = LoopClock(EPOCH)
        self.store = MemoryStateStore()
        self.fired: list[float] = []
        self.work_s = 0.0
        self.result: Result | Exception = Result("success")
        self.scheduler: Scheduler | None = None

    def entry(self, trigger: Trigger | None = MINUTE, **fields: object) -> Entry:
        return Entry("job:a", trigger, self.run, **fields)  # type: ignore[arg-type]

    async def run(self) -> Result:
        self.fired.append(self.clock.time() - EPOCH)
        await asyncio.sleep(self.work_s)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def restart(self, entry: Entry) -> Scheduler:
        """Stop the scheduler, if there is one, and start another over the same store."""
        if self.scheduler is not None:
            await self.scheduler.stop()
        self.scheduler = Scheduler("a", states=self.store, clock=self.clock)
        await self.scheduler.load()
        await self.scheduler.set_entries({entry.key: entry})
        self.scheduler.start()
        return self.scheduler

    @property
    def state(self) -> EntryState:
        assert self.scheduler is not None
        return self.scheduler.states["job:a"]

    @property
    def seconds(self) -> list[int]:
        return [round(at) for at in self.fired]


@pytest.fixture
def world() -> World:
    return World()


async def test_each_of_1000_due_times_fires_once_over_reloads_and_restarts(world: World) -> None:
    async def reload_for_ever() -> None:
        while True:
            await asyncio.sleep(0.7)
            assert world.scheduler is not None
            await world.scheduler.set_entries({"job:a": world.entry(EVERY_SECOND)})

    async def restart_for_ever() -> None:
        while True:
            await asyncio.sleep(100)
            await world.restart(world.entry(EVERY_SECOND))

    await world.restart(world.entry(EVERY_SECOND))
    others = [asyncio.create_task(reload_for_ever()), asyncio.create_task(restart_for_ever())]
    await asyncio.sleep(1000.5)
    for task in others:
        task.cancel()
    assert world.seconds == list(range(1, 1001))


async def test_due_times_that_came_while_nobody_was_there_are_made_up_for_within_the_grace(world: World) -> None:
    scheduler = await world.restart(world.entry(EVERY_SECOND, grace_s=10))
    await asyncio.sleep(3.5)
    await scheduler.stop()
    await asyncio.sleep(5)
    await world.restart(world.entry(EVERY_SECOND, grace_s=10))
    await asyncio.sleep(1)
    assert [record.due_at for record in world.state.history] == [EPOCH + second for second in range(1, 10)]
    assert len(world.fired) == 9


async def test_due_times_beyond_the_grace_are_recorded_as_missed(world: World) -> None:
    scheduler = await world.restart(world.entry(grace_s=10))
    await asyncio.sleep(61)
    await scheduler.stop()
    await asyncio.sleep(600)
    await world.restart(world.entry(grace_s=10))
    await asyncio.sleep(60)
    assert [record.status for record in world.state.history] == ["success", "missed", "success", "success"]
    assert world.seconds == [60, 661, 720]
    assert "more than 10 s" in (world.state.history[1].error or "")


async def test_of_several_missed_wake_ups_one_is_made_up_for(world: World) -> None:
    scheduler = await world.restart(world.entry(grace_s=600, coalesce=True))
    await scheduler.stop()
    await asyncio.sleep(330)
    await world.restart(world.entry(grace_s=600, coalesce=True))
    await asyncio.sleep(35)
    assert world.seconds == [330, 360]


async def test_a_stop_while_the_handled_due_time_is_stored_waits_and_the_run_starts(world: World) -> None:
    class SlowStore(MemoryStateStore):
        async def save(self, entries: Mapping[str, EntryState]) -> None:
            await asyncio.sleep(1)
            await super().save(entries)

    world.store = SlowStore()
    scheduler = await world.restart(world.entry())
    await asyncio.sleep(59.5)
    await scheduler.stop()
    await asyncio.sleep(1)
    assert world.seconds == [61]
    await world.restart(world.entry())
    await asyncio.sleep(30)
    assert len(world.fired) == 1


async def test_nothing_runs_that_could_not_be_stored_as_handled(world: World) -> None:
    class FullDisk(MemoryStateStore):
        broken = False

        async def save(self, entries: Mapping[str, EntryState]) -> None:
            if self.broken:
                raise OSError(28, "No space left on device")
            await super().save(entries)

    world.store = store = FullDisk()
    await world.restart(world.entry())
    store.broken = True
    await asyncio.sleep(70)
    assert world.fired == []
    assert world.state.history == []
    store.broken = False
    await asyncio.sleep(6)
    assert len(world.fired) == 1
    assert world.state.history[0].due_at == EPOCH + 60


async def test_a_due_time_waits_for_a_run_under_way_and_is_skipped_after_its_grace(world: World) -> None:
    world.work_s = 100
    await world.restart(world.entry(grace_s=50))
    await asyncio.sleep(230)
    # Due at 60, 120 and 180: the second waits for the first till 160, the third would wait till 260.
    assert world.seconds == [60, 160]
    await asyncio.sleep(1)
    assert [record.status for record in world.state.history] == ["success", "running", "skipped"]
    assert "earlier runs" in (world.state.history[-1].error or "")


async def test_as_many_runs_as_allowed_go_side_by_side(world: World) -> None:
    world.work_s = 150
    scheduler = await world.restart(world.entry(max_concurrency=2))
    await asyncio.sleep(170)
    assert world.seconds == [60, 120]
    assert scheduler.running("job:a") == 2


async def test_a_pause_holds_over_a_restart_and_due_times_in_it_do_not_count(world: World) -> None:
    scheduler = await world.restart(world.entry())
    await scheduler.set_paused("job:a", True)
    await asyncio.sleep(100)
    scheduler = await world.restart(world.entry())
    assert world.state.paused
    await asyncio.sleep(100)
    assert world.fired == []
    await scheduler.set_paused("job:a", False)
    await asyncio.sleep(61)
    assert world.seconds == [260]


async def test_the_next_due_time_survives_reloads_and_restarts(world: World) -> None:
    scheduler = await world.restart(world.entry(Interval(3600)))
    await asyncio.sleep(1000)
    await scheduler.set_entries({"job:a": world.entry(Interval(3600), max_concurrency=5)})
    await asyncio.sleep(1000)
    await world.restart(world.entry(Interval(3600)))
    assert world.state.next_due == EPOCH + 3600


async def test_a_changed_schedule_counts_from_now(world: World) -> None:
    scheduler = await world.restart(world.entry(Interval(3600)))
    await asyncio.sleep(1000)
    await scheduler.set_entries({"job:a": world.entry(Interval(60))})
    assert world.state.next_due == EPOCH + 1060
    await scheduler.set_entries({"job:a": world.entry(None)})
    assert world.state.next_due is None
    await asyncio.sleep(100)
    assert world.fired == []


async def test_no_due_time_comes_again_when_the_clock_is_set_back(world: World) -> None:
    trigger = parse_cron("* * * * *", "UTC")
    await world.restart(world.entry(trigger))
    await asyncio.sleep(301)
    fired = len(world.fired)
    world.clock.epoch -= 200
    await asyncio.sleep(300)
    dues = [record.due_at for record in world.state.history]
    assert len(dues) == len(set(dues)) == fired + 1


async def test_a_clock_that_leaps_forward_makes_up_for_what_is_within_the_grace(world: World) -> None:
    await world.restart(world.entry(parse_cron("* * * * *", "UTC"), grace_s=90))
    await asyncio.sleep(10)
    world.clock.epoch += 3600
    await asyncio.sleep(31)
    assert [record.status for record in world.state.history][:2] == ["missed", "success"]


async def test_a_clock_that_was_days_ahead_does_not_stop_the_schedule(world: World) -> None:
    world.clock.epoch += 10 * 24 * 3600
    await world.restart(world.entry())
    await asyncio.sleep(61)
    assert len(world.fired) == 1
    world.clock.epoch -= 10 * 24 * 3600
    await asyncio.sleep(120)
    assert len(world.fired) >= 2


async def test_a_run_that_fails_says_why_and_the_schedule_goes_on(world: World) -> None:
    await world.restart(world.entry())
    for fault in (BadInput("not good"), RuntimeError("broken")):
        world.result = fault
        await asyncio.sleep(61)
    assert [record.error for record in world.state.history] == ["not good", "RuntimeError: broken"]


async def test_what_ran_when_the_server_died_is_said_to_be_interrupted_and_not_run_again(world: World) -> None:
    world.work_s = 1000
    await world.restart(world.entry())
    await asyncio.sleep(65)
    await world.restart(world.entry())
    record = world.state.history[0]
    assert (record.status, record.cause) == ("cancelled", "interrupted")
    assert world.seconds == [60]


async def test_a_run_asked_for_begins_at_once_and_counts_as_one(world: World) -> None:
    world.work_s = 10
    scheduler = await world.restart(world.entry(None))
    await scheduler.run_now("job:a")
    with pytest.raises(Conflict):
        await scheduler.run_now("job:a")
    await asyncio.sleep(11)
    assert world.seconds == [0]
    assert (world.state.history[0].trigger, world.state.history[0].status) == ("manual", "success")


async def test_closing_waits_for_what_runs_and_leaves_no_task(world: World) -> None:
    world.work_s = 5
    scheduler = await world.restart(world.entry())
    await asyncio.sleep(61)
    await scheduler.aclose(10)
    assert world.state.history[0].status == "success"
    assert [task.get_name() for task in asyncio.all_tasks() if "cron" in task.get_name()] == []


async def test_the_history_is_bounded(world: World) -> None:
    await world.restart(world.entry(EVERY_SECOND))
    await asyncio.sleep(80.5)
    assert len(world.state.history) == 50
    assert world.state.history[-1].due_at == EPOCH + 80
