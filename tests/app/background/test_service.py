"""Tasks from their acceptance to their one end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from copaw.app.background import carrier as carrier_module
from copaw.app.background.follow import stored_frames
from copaw.app.background.live import OpenCall
from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.outcome import Remains
from copaw.app.background.recorder import FLUSH_S
from copaw.app.background.records import TaskQuery, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.settings import TaskSettings
from copaw.errors import (
    AgentDisabled,
    AgentNotFound,
    Conflict,
    EndReason,
    ModelError,
    NotFound,
    ServerClosing,
    SessionBusy,
    Unavailable,
)
from copaw.testing.fake_tasks import FakeRuns, submission


class Faulty(MemoryTaskStore):
    """A ledger that can be made to fail its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.problem: Unavailable | None = None
        self.failed = asyncio.Event()

    def _check(self) -> None:
        if self.problem is not None:
            self.failed.set()
            raise self.problem

    async def add(self, *args: Any) -> Any:
        self._check()
        return await super().add(*args)

    async def advance(self, *args: Any, **fields: Any) -> Any:
        self._check()
        return await super().advance(*args, **fields)

    async def add_events(self, *args: Any) -> None:
        self._check()
        await super().add_events(*args)


@pytest.fixture
def runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
def ledger() -> Faulty:
    return Faulty()


@pytest.fixture
async def tasks(ledger: Faulty, runs: FakeRuns) -> AsyncIterator[TaskService]:
    service = TaskService(lambda: _ready(ledger), runs, TaskSettings(limit_of=lambda _agent: 2))
    yield service
    ledger.problem = None
    for run in runs.started:
        run.stop(EndReason.SERVER_SHUTDOWN)
    await service.aclose()


async def _ready(ledger: Faulty) -> Faulty:
    return ledger


async def idle() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def frames(tasks: TaskService, task_id: str, after: int = -1) -> list[dict[str, Any]]:
    text = b"".join([part async for part in stored_frames(await tasks.store(), task_id, after)]).decode()
    return [json.loads(frame.partition("data: ")[2]) for frame in text.split("\n\n") if frame]


async def test_a_task_is_in_the_ledger_before_its_id_is_answered(tasks: TaskService, ledger: Faulty) -> None:
    record = await tasks.submit(submission())
    assert (await ledger.get(record.id)).id == record.id


@pytest.mark.looptime
async def test_a_task_runs_and_succeeds(tasks: TaskService, ledger: Faulty, runs: FakeRuns) -> None:
    record = await tasks.submit(submission())
    await idle()
    assert (await tasks.get(record.id)).state is TaskState.RUNNING
    await asyncio.sleep(FLUSH_S + 0.01)
    assert (await ledger.get(record.id)).state is TaskState.RUNNING
    runs.of(record.id).say("done")
    runs.of(record.id).complete()
    ended = await tasks.wait(record.id)
    assert ended.state is TaskState.SUCCEEDED
    assert await ledger.get(record.id) == ended
    assert ended.result is not None
    assert ended.result["output"][0]["content"][0]["text"] == "done"


async def test_tasks_are_counted_while_they_are_under_way_and_by_their_end(tasks: TaskService, runs: FakeRuns) -> None:
    first = await tasks.submit(submission())
    await idle()
    agent_id = first.agent_id
    assert tasks.counts() == ({(agent_id, TaskState.RUNNING): 1}, {})
    runs.of(first.id).complete()
    await tasks.wait(first.id)
    assert tasks.counts() == ({}, {(agent_id, TaskState.SUCCEEDED): 1})


async def test_a_run_that_fails_is_a_failed_task(tasks: TaskService, runs: FakeRuns) -> None:
    record = await tasks.submit(submission())
    await idle()
    runs.of(record.id).fail()
    assert (await tasks.wait(record.id)).state is TaskState.FAILED


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (EndReason.USER_STOP, TaskState.CANCELLED),
        (EndReason.PARENT_CANCELLED, TaskState.CANCELLED),
        (EndReason.TIMEOUT, TaskState.TIMED_OUT),
        (EndReason.RELOAD_GRACE_EXPIRED, TaskState.INTERRUPTED),
        (EndReason.SERVER_SHUTDOWN, TaskState.INTERRUPTED),
        (EndReason.AGENT_DELETED, TaskState.INTERRUPTED),
        (EndReason.AGENT_DISABLED, TaskState.INTERRUPTED),
    ],
)
async def test_each_cause_has_its_state(
    tasks: TaskService, runs: FakeRuns, reason: EndReason, state: TaskState
) -> None:
    record = await tasks.submit(submission())
    await idle()
    runs.of(record.id).stop(reason)
    ended = await tasks.wait(record.id)
    assert (ended.state, ended.end_reason) == (state, reason)


@pytest.mark.looptime
async def test_the_time_of_a_task_counts_from_its_beginning(tasks: TaskService, runs: FakeRuns) -> None:
    runs.hold = True
    record = await tasks.submit(submission(timeout_seconds="30"))
    await asyncio.sleep(100)
    assert (await tasks.get(record.id)).state is TaskState.QUEUED
    runs.began[0]()
    await asyncio.sleep(29)
    assert (await tasks.get(record.id)).state is TaskState.RUNNING
    ended = await tasks.wait(record.id)
    assert (ended.state, ended.end_reason) == (TaskState.TIMED_OUT, "timeout")


async def test_waiting_ends_with_its_time_and_tells_the_state(tasks: TaskService) -> None:
    record = await tasks.submit(submission())
    assert (await tasks.wait(record.id, 0.01)).state is TaskState.RUNNING


async def test_no_more_tasks_run_than_may_and_sessions_take_turns(tasks: TaskService, runs: FakeRuns) -> None:
    first = [await tasks.submit(submission(session_id="greedy")) for _ in range(4)]
    others = [await tasks.submit(submission(session_id=name)) for name in ("b", "c")]
    await idle()
    order = []
    for _ in range(6):
        running = [run for run in runs.started if not run.ended]
        assert len(running) <= 2
        order.append(running[0].record.id)
        running[0].complete()
        await idle()
    assert order == [first[0].id, others[0].id, first[1].id, others[1].id, first[2].id, first[3].id] or order == [
        first[0].id, others[0].id, others[1].id, first[1].id, first[2].id, first[3].id,
    ]  # fmt: skip


async def test_tasks_of_one_session_run_in_order_one_at_a_time(tasks: TaskService, runs: FakeRuns) -> None:
    ids = [(await tasks.submit(submission())).id for _ in range(3)]
    for number in range(3):
        await idle()
        assert [run.record.id for run in runs.started] == ids[: number + 1]
        runs.started[-1].complete()


async def test_a_task_that_a_running_one_waits_for_takes_no_place(tasks: TaskService, runs: FakeRuns) -> None:
    for name in "abcd":
        await tasks.submit(submission(session_id=name))
    child = await tasks.submit(submission(session_id="child"), immediately=True)
    await idle()
    assert child.id in {run.record.id for run in runs.started}


async def test_a_queued_task_is_cancelled_without_ever_running(tasks: TaskService, runs: FakeRuns) -> None:
    await tasks.submit(submission())
    waiting = await tasks.submit(submission())
    assert (await tasks.cancel(waiting.id)).state is TaskState.CANCELLED
    await idle()
    runs.started[0].complete()
    await idle()
    assert len(runs.started) == 1
    events = await frames(tasks, waiting.id)
    assert [event["error"]["reason"] for event in events] == ["user_stop"]


async def test_cancelling_again_and_after_the_end_is_harmless(tasks: TaskService, runs: FakeRuns) -> None:
    record = await tasks.submit(submission())
    await idle()
    answers = [(await tasks.cancel(record.id)).state for _ in range(2)]
    assert answers == [TaskState.CANCELLING] * 2
    ended = await tasks.wait(record.id)
    assert ended.end_reason == "user_stop"
    assert await tasks.cancel(record.id) == ended


async def test_a_cancel_behind_a_busy_session_ends_the_run_that_has_not_begun(
    tasks: TaskService, runs: FakeRuns
) -> None:
    runs.hold = True
    record = await tasks.submit(submission())
    await idle()
    await tasks.cancel(record.id)
    assert (await tasks.wait(record.id)).state is TaskState.CANCELLED


async def test_a_busy_session_refuses_who_will_not_queue(tasks: TaskService, runs: FakeRuns) -> None:
    await tasks.submit(submission())
    with pytest.raises(SessionBusy):
        await tasks.submit(submission(on_busy="reject"))
    await tasks.submit(submission(session_id="free", on_busy="reject"))
    runs.busy = True
    with pytest.raises(SessionBusy):
        await tasks.submit(submission(session_id="chatting", on_busy="reject"))


async def test_of_two_that_will_not_queue_one_gets_the_session(tasks: TaskService) -> None:
    both = [tasks.submit(submission(on_busy="reject")) for _ in range(2)]
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["SessionBusy", "TaskRecord"]


async def test_a_repeated_key_is_no_second_run_of_its_session(tasks: TaskService, runs: FakeRuns) -> None:
    first = await tasks.submit(submission(key="k", on_busy="reject"))
    assert (await tasks.submit(submission(key="k", on_busy="reject"))).id == first.id
    with pytest.raises(Conflict, match="another body"):
        await tasks.submit(submission("else", key="k"))
    await idle()
    assert len(runs.started) == 1


async def test_an_agent_that_cannot_take_it_refuses_before_anything_is_recorded(
    tasks: TaskService, runs: FakeRuns
) -> None:
    runs.refuse = AgentDisabled("a")
    with pytest.raises(AgentDisabled):
        await tasks.submit(submission())
    assert (await tasks.page(TaskQuery())).tasks == []


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (AgentDisabled("a"), TaskState.INTERRUPTED, "agent_disabled"),
        (AgentNotFound("a"), TaskState.INTERRUPTED, "agent_deleted"),
        (ServerClosing(), TaskState.INTERRUPTED, "server_shutdown"),
        (ModelError("no model"), TaskState.FAILED, None),
    ],
)
async def test_a_task_that_cannot_start_when_its_turn_comes_says_why(
    tasks: TaskService, runs: FakeRuns, error: Any, state: TaskState, reason: str | None
) -> None:
    await tasks.submit(submission())
    waiting = await tasks.submit(submission())
    await idle()
    runs.refuse = error
    runs.started[0].complete()
    ended = await tasks.wait(waiting.id)
    assert (ended.state, ended.end_reason) == (state, reason)


async def test_a_retry_is_a_new_task_for_what_has_ended(tasks: TaskService, runs: FakeRuns) -> None:
    record = await tasks.submit(submission("again", key="k"))
    await idle()
    with pytest.raises(Conflict, match="running"):
        await tasks.retry(record.id)
    runs.started[0].fail()
    await tasks.wait(record.id)
    following = await tasks.retry(record.id)
    assert (following.retry_of, following.attempt, following.request) == (record.id, 2, record.request)
    assert (await tasks.get(record.id)).retried_as == following.id
    assert (await tasks.get(record.id)).state is TaskState.FAILED


async def test_only_what_has_ended_is_deleted(tasks: TaskService, runs: FakeRuns) -> None:
    record = await tasks.submit(submission())
    await idle()
    with pytest.raises(Conflict):
        await tasks.delete(record.id)
    runs.started[0].complete()
    await tasks.wait(record.id)
    await tasks.delete(record.id)
    with pytest.raises(NotFound):
        await tasks.get(record.id)


async def test_all_events_of_a_run_are_stored_in_order(tasks: TaskService, runs: FakeRuns) -> None:
    record = await tasks.submit(submission())
    await idle()
    run = runs.started[0]
    for number in range(50):
        run.say(str(number))
        await asyncio.sleep(0)
    run.complete()
    await tasks.wait(record.id)
    assert await frames(tasks, record.id) == [event.payload for event in run.events]
    assert await frames(tasks, record.id, 17) == [event.payload for event in run.events[18:]]


async def test_too_many_events_leave_a_marked_gap_and_the_end(
    tasks: TaskService, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copaw.app.background.recorder.MAX_TASK_BYTES", 4000)
    record = await tasks.submit(submission())
    await idle()
    run = runs.started[0]
    for _ in range(30):
        run.say("x" * 100)
        await asyncio.sleep(0)
    run.complete()
    ended = await tasks.wait(record.id)
    events = await frames(tasks, record.id)
    gap = events[-2]
    assert ended.events_truncated
    assert (gap["object"], gap["first"], gap["last"]) == ("truncation", len(events) - 2, len(run.events) - 2)
    assert events[-1]["status"] == "completed"


@pytest.mark.looptime
async def test_a_task_that_ends_soon_is_written_when_it_is_accepted_and_when_it_ends(
    tasks: TaskService, ledger: Faulty, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[TaskState] = []
    advance = ledger.advance

    async def noted(task_id: str, state: TaskState, **fields: Any) -> bool:
        written.append(state)
        return await advance(task_id, state, **fields)

    monkeypatch.setattr(ledger, "advance", noted)
    record = await tasks.submit(submission())
    await idle()
    runs.of(record.id).complete()
    await tasks.wait(record.id)
    await asyncio.sleep(2 * FLUSH_S)
    assert written == [TaskState.SUCCEEDED]


@pytest.mark.looptime
async def test_that_a_task_has_begun_is_written_at_once_if_it_will_be_resumed(
    tasks: TaskService, ledger: Faulty
) -> None:
    record = await tasks.submit(submission(on_interrupt="resume"))
    await idle()
    assert (await ledger.get(record.id)).state is TaskState.RUNNING


@pytest.mark.looptime
async def test_a_ledger_that_cannot_be_written_refuses_new_work_and_lets_running_work_go_on(
    tasks: TaskService, runs: FakeRuns, ledger: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier_module, "RETRY_WRITE_S", (0.01,))
    record = await tasks.submit(submission())
    await asyncio.sleep(FLUSH_S + 0.01)
    ledger.problem = Unavailable("The task ledger cannot be used: the disk is full.")
    with pytest.raises(Unavailable, match="disk is full"):
        await tasks.submit(submission(session_id="new"))
    runs.started[0].say("went on")
    runs.started[0].complete()
    await ledger.failed.wait()
    ended = await tasks.wait(record.id)
    assert ended.state is TaskState.SUCCEEDED
    assert (await ledger.get(record.id)).state is TaskState.RUNNING
    ledger.problem = None
    async with asyncio.timeout(5):
        while (await ledger.get(record.id)).state is not TaskState.SUCCEEDED:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert "went on" in json.dumps(await frames(tasks, record.id))


async def test_shutting_down_ends_what_has_not_begun(tasks: TaskService, runs: FakeRuns, ledger: Faulty) -> None:
    running = await tasks.submit(submission())
    waiting = await tasks.submit(submission())
    await idle()
    runs.started[0].stop(EndReason.SERVER_SHUTDOWN)
    await tasks.settle()
    for record in (running, waiting):
        stored = await ledger.get(record.id)
        assert (stored.state, stored.end_reason) == (TaskState.INTERRUPTED, "server_shutdown")
    assert len(runs.started) == 1


async def test_while_the_ledger_cannot_be_opened_the_reason_is_told(runs: FakeRuns) -> None:
    async def fail() -> Faulty:
        raise Unavailable("The task ledger cannot be used: it is read-only.")

    service = TaskService(fail, runs)
    with pytest.raises(Unavailable, match="read-only"):
        await service.submit(submission())
    with pytest.raises(Unavailable, match="read-only"):
        await service.page(TaskQuery())
    await service.aclose()


async def test_a_call_of_a_task_that_may_be_resumed_is_in_the_ledger_before_it_is_made(
    tasks: TaskService, ledger: Faulty, runs: FakeRuns
) -> None:
    kept = await tasks.submit(submission("a", session_id="a"))
    resumed = await tasks.submit(submission("b", session_id="b", on_interrupt="resume"))
    await idle()
    runs.of(kept.id).call("c1", "shell", "{}")
    await runs.of(kept.id).recorded()
    assert await ledger.events(kept.id, -1, 10) == []
    runs.of(resumed.id).call("c2", "shell", "{}")
    await runs.of(resumed.id).recorded()
    assert Remains(await ledger.events(resumed.id, -1, 10)).open_calls == [OpenCall("c2", "shell", {})]


async def test_a_call_is_made_although_the_ledger_cannot_be_written(
    tasks: TaskService, ledger: Faulty, runs: FakeRuns
) -> None:
    record = await tasks.submit(submission(on_interrupt="resume"))
    await idle()
    ledger.problem = Unavailable("the disk is full")
    runs.of(record.id).call("c", "shell", "{}")
    async with asyncio.timeout(2):
        await runs.of(record.id).recorded()
