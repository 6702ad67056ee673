"""A run is not its stream: listeners come and go, the run goes on, everybody sees the same events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from copaw.aiokits.lease import Lease, LeaseSet
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.task_tracker import Run, RunStatus, TaskTracker
from copaw.errors import EndReason
from copaw.ports import EventSink


class Script:
    """A run that writes what it is told and ends when it is told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _run: Run, emit: EventSink) -> None:
        stream = ResponseStream(emit, "response_1", "s", 0)
        stream.begin()
        message = stream.open_message("message", "assistant")
        message.text("one ")
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        message.text("two")
        message.complete()
        stream.complete()


@pytest.fixture
def script() -> Script:
    return Script()


def begin(tracker: TaskTracker, script: Script, leases: LeaseSet) -> tuple[Run, Lease]:
    lease = leases.acquire("console", "chat-1")
    return tracker.start("chat-1", "s", lease, 1, script), lease


async def test_a_second_listener_replays_from_the_beginning(script: Script) -> None:
    run, _ = begin(TaskTracker("a"), script, LeaseSet())
    await script.began.wait()
    first = asyncio.ensure_future(collect(run))
    second = asyncio.ensure_future(collect(run))
    script.go_on.set()
    seen, again = await first, await second
    assert seen == again
    assert [sequence for sequence, _ in seen] == list(range(len(seen)))
    assert seen[-1][1] == "completed"


async def collect(run: Run, after: int = -1) -> list[tuple[int, str]]:
    return [(event.sequence, event.payload["status"]) async for event in run.follow(after)]


async def test_following_from_a_cursor_skips_what_was_seen(script: Script) -> None:
    run, _ = begin(TaskTracker("a"), script, LeaseSet())
    await script.began.wait()
    script.go_on.set()
    await run.wait_end()
    assert [sequence for sequence, _ in await collect(run, after=3)] == list(range(4, len(run.events)))


async def test_losing_every_listener_ends_nothing(script: Script) -> None:
    leases = LeaseSet()
    run, _ = begin(TaskTracker("a"), script, leases)
    async with aclosing(run.follow()) as events:
        await anext(events)
    assert len(leases) == 1
    script.go_on.set()
    assert (await run.wait_end())["status"] == "completed"
    await leases.wait_empty()


async def test_stop_ends_with_its_cause_and_exactly_one_terminal_event(script: Script) -> None:
    tracker, leases = TaskTracker("a"), LeaseSet()
    run, lease = begin(tracker, script, leases)
    await script.began.wait()
    assert tracker.stop("chat-1", EndReason.USER_STOP)
    assert not tracker.stop("chat-1", EndReason.TIMEOUT)
    last = await run.wait_end()
    await leases.wait_empty()
    assert script.cancelled
    assert lease.end_reason == EndReason.USER_STOP
    assert last["error"]["reason"] == "user_stop"
    assert "user_stop" in last["error"]["message"]
    assert [event.terminal for event in run.events].count(True) == 1


async def test_a_run_cancelled_before_its_first_step_still_ends_and_releases(script: Script) -> None:
    leases = LeaseSet()
    run, lease = begin(TaskTracker("a"), script, leases)
    lease.end(EndReason.SERVER_SHUTDOWN)
    last = await run.wait_end()
    await leases.wait_empty()
    assert last["error"]["reason"] == "server_shutdown"
    assert "user" not in last["error"]["message"].lower()


async def test_an_abandoned_run_answers_its_listeners_and_later_events_are_dropped() -> None:
    release = asyncio.Event()
    leases = LeaseSet()

    async def stubborn(_run: Run, emit: EventSink) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        stream = ResponseStream(emit, "r", "s", 0)
        stream.begin()
        stream.complete()

    tracker = TaskTracker("a")
    lease = leases.acquire("task")
    run = tracker.start("k", "s", lease, 1, stubborn)
    await asyncio.sleep(0)
    run.stop(EndReason.RELOAD_GRACE_EXPIRED)
    await asyncio.sleep(0)
    leases.abandon(lease)
    assert (await run.wait_end())["error"]["reason"] == "reload_grace_expired"
    events = len(run.events)
    release.set()
    assert run._task is not None
    await asyncio.wait([run._task])
    await asyncio.sleep(0)
    assert tracker.active() == []
    assert len(run.events) == events
    assert leases.statistics().double_releases == 0


async def test_a_run_that_raises_ends_failed_with_the_reason() -> None:
    async def broken(_run: Run, emit: EventSink) -> None:
        raise ValueError("out of paper")

    leases = LeaseSet()
    run = TaskTracker("a").start("k", "s", leases.acquire("task"), 1, broken)
    last = await run.wait_end()
    assert (run.status, last["error"]["message"]) == (RunStatus.FAILED, "out of paper")
    await leases.wait_empty()


async def test_finished_runs_are_forgotten(script: Script) -> None:
    tracker, leases = TaskTracker("a"), LeaseSet()
    script.go_on.set()
    for _ in range(100):
        run, _ = begin(tracker, script, leases)
        await run.wait_end()
    await leases.wait_empty()
    assert tracker.active() == []
    assert tracker.find("chat-1") is None
    assert tracker._by_key == {}
