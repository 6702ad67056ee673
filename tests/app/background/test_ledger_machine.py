"""Whatever happens to the server, and between whichever two writes: no accepted task is lost, and every row is true."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from copaw.app.background.database import IN_DATABASE, SqliteDatabase, sqlite_url
from copaw.app.background.outcome import Remains
from copaw.app.background.records import SERVER_DIED, OnInterrupt, TaskQuery, TaskRecord, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.settings import TaskSettings
from copaw.app.background.sql_store import open_sql_store
from copaw.errors import Conflict, EndReason
from copaw.testing.fake_tasks import FakeRun, FakeRuns, MortalStore, submission

MORE = int(os.environ.get("COPAW_TEST_MORE", "1"))
"""Multiplies the number of examples, for a longer look."""
RESUME = st.sampled_from(["keep", "resume"])


class Ledger(RuleBasedStateMachine):
    """A task service on a real database; :meth:`_die` ends it as ``kill -9`` would."""

    url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.address = self.url()
        self.accepted: dict[str, TaskRecord] = {}
        self.deleted: set[str] = set()
        self.maybe_deleted: set[str] = set()
        self.final: dict[str, TaskRecord] = {}
        self.told: dict[str, str] = {}
        self.cancels: set[str] = set()
        self.deaths = 0
        self._start()

    # -- the life of the server ----------------------------------------------------------------------------

    def _start(self) -> None:
        async def start() -> None:
            self.before = set(asyncio.all_tasks())
            self.runs = FakeRuns()
            self.service = TaskService(self._open, self.runs, TaskSettings(limit_of=lambda _agent: 2))
            await self.service.store()

        self.loop.run_until_complete(start())

    async def _open(self) -> MortalStore:
        self.inner = await open_sql_store(self.address)
        if isinstance(database := self.inner.database, SqliteDatabase):
            # One thread, so that answers come in the order of the questions, and examples can be repeated.
            database._readers = database._writer
        self.store = MortalStore(self.inner)
        return self.store

    def _die(self) -> None:
        """The process is gone: nothing of it runs on, and nothing was tidied up."""

        async def die() -> None:
            await self.store.die()
            await _end_all(self.before)
            await self.inner.database.aclose()

        self.loop.run_until_complete(die())
        self.deaths += 1
        self._start()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Its answer; ``None`` if the server refused, or died before it answered."""

        async def do() -> tuple[bool, Any]:
            doing = asyncio.ensure_future(work)
            dying = asyncio.ensure_future(self.store.dead.wait())
            await asyncio.wait([doing, dying], return_when=asyncio.FIRST_COMPLETED)
            dying.cancel()
            if not doing.done():
                doing.cancel()
                return True, None
            try:
                return self.store.dead.is_set(), doing.result()
            except Conflict:
                return self.store.dead.is_set(), None

        died, answer = self.loop.run_until_complete(do())
        if died:
            self._die()
        return answer

    def _let_it_work(self) -> None:
        self.loop.run_until_complete(self.store.wait_idle())
        if self.store.dead.is_set():
            self._die()

    # -- what people do --------------------------------------------------------------------------------------

    @rule(resume=RESUME, session=st.sampled_from("xy"), key=st.sampled_from([None, "k1", "k2"]))
    def submit(self, resume: str, session: str, key: str | None) -> None:
        text = f"{session}:{resume}:{key}"
        wanted = submission(text, session_id=session, key=key and f"{key}:{text}", on_interrupt=resume)
        record = self._do(self.service.submit(wanted))
        if record is not None:
            if key is not None:
                assert self.told.setdefault(wanted.idempotency_key or "", record.id) == record.id
            self.accepted.setdefault(record.id, record)

    @rule(data=st.data(), says=st.integers(0, 2), succeeds=st.booleans())
    def run_ends(self, data: st.DataObject, says: int, succeeds: bool) -> None:
        run = self._running(data)
        if run is not None:
            for number in range(says):
                run.say(str(number))
            run.complete() if succeeds else run.fail()
            self._let_it_work()

    @rule(data=st.data())
    def run_calls_a_tool(self, data: st.DataObject) -> None:
        run = self._running(data)
        if run is not None:
            run.call(f"c{len(run.events)}", "shell", "{}")
            self._let_it_work()

    def _running(self, data: st.DataObject) -> FakeRun | None:
        running = [run for run in self.runs.started if not run.ended]
        return data.draw(st.sampled_from(running)) if running else None

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = self._any(data)
        self.cancels.add(task_id)
        self._do(self.service.cancel(task_id))

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        record = self._do(self.service.retry(self._any(data)))
        if record is not None:
            self.accepted[record.id] = record

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        task_id = self._any(data)
        deaths = self.deaths
        ended = self.final.get(task_id) is not None

        async def delete() -> bool:
            await self.service.delete(task_id)
            return True

        if self._do(delete()):
            self._forget(task_id)
        elif self.deaths > deaths and ended:
            self.maybe_deleted.add(task_id)

    def _forget(self, task_id: str) -> None:
        self.deleted.add(task_id)
        del self.accepted[task_id]
        self.told = {key: known for key, known in self.told.items() if known != task_id}

    def _any(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.accepted, key=lambda name: self.accepted[name].created_at)))

    # -- what happens to it ----------------------------------------------------------------------------------

    @rule(writes=st.integers(0, 4), lands=st.booleans())
    def will_die(self, writes: int, lands: bool) -> None:
        self.store.die_in(writes, lands=lands)

    @rule()
    def dies_now(self) -> None:
        self._die()

    @rule()
    def stops_in_order(self) -> None:
        async def stop() -> None:
            for run in self.runs.started:
                run.stop(EndReason.SERVER_SHUTDOWN)
            await self.service.aclose()

        deaths = self.deaths
        self._do(stop())
        if self.deaths == deaths:
            self._start()

    # -- what must hold --------------------------------------------------------------------------------------

    @invariant()
    def every_row_is_true(self) -> None:
        self._let_it_work()
        rows = self._rows()
        self._lost_nothing(rows)
        for record in rows.values():
            before = self.final.get(record.id)
            if before is not None:
                assert (record.state, record.result, record.end_reason) == (
                    before.state,
                    before.result,
                    before.end_reason,
                )
            if record.state.terminal:
                self.final[record.id] = record
                self._is_complete(record)
            else:
                # Nobody but this very process may leave a row unfinished.
                assert self.service.live(record.id) is not None, record
        self._resumed_once(rows)

    def _rows(self) -> dict[str, TaskRecord]:
        async def read() -> dict[str, TaskRecord]:
            page = await self.inner.page(TaskQuery(limit=500))
            return {record.id: await self.inner.get(record.id) for record in page.tasks}

        return self.loop.run_until_complete(read())

    def _lost_nothing(self, rows: dict[str, TaskRecord]) -> None:
        for task_id in self.maybe_deleted - set(rows):
            if task_id in self.accepted:
                self._forget(task_id)
        self.maybe_deleted.clear()
        assert set(self.accepted) <= set(rows)
        assert not self.deleted & set(rows)
        for record in rows.values():
            # Recovery and an answer that nobody heard add tasks too.
            self.accepted.setdefault(record.id, record)

    def _is_complete(self, record: TaskRecord) -> None:
        assert record.result is not None
        assert record.ended_at is not None
        assert (record.state is TaskState.SUCCEEDED) == (record.result["status"] == "completed")
        if record.state is TaskState.CANCELLED:
            assert record.id in self.cancels
        if record.end_reason == SERVER_DIED:
            assert self.deaths
        chunks = self.loop.run_until_complete(self.inner.events(record.id, -1, 1000))
        remains = Remains(chunks)
        assert remains.terminal is not None, "a listener would wait for ever"
        assert {**remains.terminal, "sequence_number": 0} == {**record.result, "sequence_number": 0}

    def _resumed_once(self, rows: dict[str, TaskRecord]) -> None:
        resumed = [record.retry_of for record in rows.values() if record.resumes]
        assert len(resumed) == len(set(resumed))
        for record in rows.values():
            if record.resumes:
                assert record.on_interrupt is OnInterrupt.RESUME

    def teardown(self) -> None:
        async def end() -> None:
            await _end_all(set())
            await self.inner.database.aclose()
            await self.loop.shutdown_default_executor()

        self.loop.run_until_complete(end())
        self.loop.close()


async def _end_all(kept: set[Any]) -> None:
    """End every task but ``kept`` and this one, those too that others start while they end.

    What is on its way to the database lands, or does not, as :class:`MortalStore` says.
    """
    while mine := {task for task in asyncio.all_tasks() - kept if _ends(task)}:
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)


def _ends(task: asyncio.Task[Any]) -> bool:
    return task is not asyncio.current_task() and not task.get_name().startswith(IN_DATABASE)


@pytest.fixture(autouse=True)
def nothing_depends_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are written at once: what happens depends on the examples alone, so that they can be repeated."""
    monkeypatch.setattr("copaw.app.background.recorder.FLUSH_S", 0.0)


def _run(url: Callable[[], str], examples: int) -> None:
    machine = type("Ledger", (Ledger,), {"url": staticmethod(url)})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.timeout(300)
def test_no_crash_makes_sqlite_lie(tmp_path: Path) -> None:
    _run(lambda: sqlite_url(Path(tempfile.mkdtemp(dir=tmp_path)) / "copaw.db"), 12 * MORE)


@pytest.mark.timeout(300)
def test_no_crash_makes_postgres_lie(new_database: Callable[[], str]) -> None:
    _run(new_database, 3 * MORE)
