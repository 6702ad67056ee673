"""The end of a task is answered from memory for a moment, and never differently from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from copaw.app.background.just_ended import KEPT, KEPT_S
from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.records import Asker, TaskRecord
from copaw.app.background.service import TaskService
from copaw.app.background.settings import TaskSettings
from copaw.app.background.submission import Submission
from copaw.errors import EndReason, NotFound
from copaw.testing.fake_tasks import FakeRuns, submission

pytestmark = pytest.mark.looptime


class Counting(MemoryTaskStore):
    """A ledger that counts how often a task is looked up."""

    reads = 0

    async def get(self, task_id: str) -> TaskRecord:
        self.reads += 1
        return await super().get(task_id)

    async def advance(self, *args: Any, **fields: Any) -> bool:
        before = self.reads
        try:
            return await super().advance(*args, **fields)
        finally:
            self.reads = before  # its own


@pytest.fixture
def ledger() -> Counting:
    return Counting()


@pytest.fixture
def runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
async def tasks(ledger: Counting, runs: FakeRuns) -> AsyncIterator[TaskService]:
    async def opened() -> Counting:
        return ledger

    service = TaskService(opened, runs, TaskSettings())
    yield service
    for run in runs.started:
        run.stop(EndReason.SERVER_SHUTDOWN)
    await service.aclose()


async def ended(tasks: TaskService, runs: FakeRuns, wanted: Submission | None = None) -> TaskRecord:
    record = await tasks.submit(wanted or submission())
    await under_way(tasks, record)
    runs.of(record.id).complete()
    return await tasks.wait(record.id)


async def under_way(tasks: TaskService, record: TaskRecord) -> None:
    live = tasks.live(record.id)
    assert live is not None
    assert await live.wait_settled(1.0)


async def test_whoever_asks_at_once_costs_the_ledger_nothing(
    tasks: TaskService, ledger: Counting, runs: FakeRuns
) -> None:
    record = await ended(tasks, runs)
    assert await tasks.get(record.id) == record
    assert ledger.reads == 0
    assert await ledger.get(record.id) == record


async def test_later_the_ledger_is_asked(tasks: TaskService, ledger: Counting, runs: FakeRuns) -> None:
    record = await ended(tasks, runs)
    await asyncio.sleep(KEPT_S + 0.01)
    assert await tasks.get(record.id) == record
    assert ledger.reads == 1


async def test_each_has_its_own_time(tasks: TaskService, ledger: Counting, runs: FakeRuns) -> None:
    first = await ended(tasks, runs, submission(session_id="first"))
    await asyncio.sleep(KEPT_S / 2)
    second = await ended(tasks, runs, submission(session_id="second"))
    seen = []
    for pause_s in (KEPT_S / 2 + 0.01, KEPT_S / 2):
        await asyncio.sleep(pause_s)
        await tasks.get(first.id)
        await tasks.get(second.id)
        seen.append(ledger.reads)
    assert seen == [1, 3]


async def test_only_the_last_ones_are_kept(tasks: TaskService, ledger: Counting, runs: FakeRuns) -> None:
    records = [await ended(tasks, runs, submission(session_id=f"s{number}")) for number in range(KEPT + 1)]
    for record in records:
        assert await tasks.get(record.id) == record
    assert ledger.reads == 1


async def test_what_was_deleted_is_gone(tasks: TaskService, runs: FakeRuns) -> None:
    record = await ended(tasks, runs)
    await tasks.delete(record.id)
    with pytest.raises(NotFound):
        await tasks.get(record.id)


async def test_what_was_tried_again_says_so(tasks: TaskService, runs: FakeRuns) -> None:
    record = await ended(tasks, runs)
    following = await tasks.retry(record.id)
    assert (await tasks.get(record.id)).retried_as == following.id


@pytest.mark.parametrize(
    "wanted",
    [submission(callback_url="http://127.0.0.1:1/"), replace(submission(), asker=Asker("a", "console", "u", "s"))],
    ids=["url", "channel"],
)
async def test_an_end_that_is_still_to_be_told_is_read_anew(
    tasks: TaskService, ledger: Counting, runs: FakeRuns, wanted: Submission
) -> None:
    """Whether it was told becomes known later, in the ledger."""
    record = await ended(tasks, runs, wanted)
    assert await tasks.get(record.id) == record
    assert ledger.reads == 1


async def test_an_end_that_the_ledger_does_not_hold_is_not_told(
    tasks: TaskService, ledger: Counting, runs: FakeRuns
) -> None:
    record = await tasks.submit(submission())
    await under_way(tasks, record)
    ledger._records.pop(record.id)
    runs.of(record.id).complete()
    await tasks.wait(record.id)
    with pytest.raises(NotFound):
        await tasks.get(record.id)
