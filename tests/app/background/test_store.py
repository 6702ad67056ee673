"""What every ledger keeps: the same behaviour in memory, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from copaw.app.background.records import (
    SERVER_DIED,
    UNDER_WAY,
    CallbackState,
    EventChunk,
    OnInterrupt,
    TaskKind,
    TaskQuery,
    TaskRecord,
    TaskState,
)
from copaw.app.background.store import TaskStore
from copaw.errors import BadInput, Conflict, NotFound

TERMINAL = [state for state in TaskState if state.terminal]


def task(number: int = 1, **fields: Any) -> TaskRecord:
    record = TaskRecord(
        id=f"t{number}",
        agent_id="a",
        session_id="s",
        user_id="u",
        state=TaskState.QUEUED,
        created_at=1000.0 + number,
        timeout_s=60.0,
        owner="me",
        request={"input": [{"text": "né \u0000 \ud800 ✓"}]},
        chain=("x", "y"),
    )
    return replace(record, **fields)


async def test_a_task_comes_back_as_it_was_added(store: TaskStore) -> None:
    record = task(started_at=1.5, callback_url="http://x/", callback_state=CallbackState.PENDING, resumes=True)
    await store.add(record)
    assert await store.get("t1") == record


async def test_an_unknown_task_is_not_found(store: TaskStore) -> None:
    for call in (store.get("no"), store.advance("no", TaskState.RUNNING), store.delete("no")):
        with pytest.raises(NotFound, match="Task no not found"):
            await call


@pytest.mark.parametrize("end", TERMINAL)
async def test_the_first_end_stays(store: TaskStore, end: TaskState) -> None:
    await store.add(task())
    assert await store.advance("t1", end, ended_at=5.0, result={"object": "response"})
    ended = await store.get("t1")
    assert (ended.state, ended.ended_at, ended.result) == (end, 5.0, {"object": "response"})
    for state in TaskState:
        assert not await store.advance("t1", state, ended_at=9.0, result=None)
    assert await store.get("t1") == ended


@pytest.mark.parametrize(
    ("state", "illegal"), [("running", "queued"), ("cancelling", "queued"), ("cancelling", "running")]
)
async def test_a_task_never_goes_back(store: TaskStore, state: str, illegal: str) -> None:
    await store.add(task())
    await store.advance("t1", TaskState(state))
    assert not await store.advance("t1", TaskState(illegal))
    assert (await store.get("t1")).state == state


async def test_of_many_ends_at_once_one_wins(store: TaskStore) -> None:
    await store.add(task())
    ends = await asyncio.gather(*(store.advance("t1", end, end_reason=end.value) for end in TERMINAL))
    assert ends.count(True) == 1
    record = await store.get("t1")
    assert record.state is TERMINAL[ends.index(True)]
    assert record.end_reason == record.state.value


async def test_one_key_is_one_task(store: TaskStore) -> None:
    first = await store.add(task(1, idempotency_key="k", body_hash="h"))
    again = await asyncio.gather(*(store.add(task(n, idempotency_key="k", body_hash="h")) for n in range(2, 7)))
    assert {record.id for record in again} == {first.id}
    assert (await store.page(TaskQuery())).tasks[0].id == "t1"
    assert (await store.by_key("k")) == first
    assert await store.by_key("other") is None


async def test_one_key_with_another_body_is_a_conflict_and_spoils_nobody_elses_write(store: TaskStore) -> None:
    await store.add(task(1, idempotency_key="k", body_hash="h"))
    other, good = await asyncio.gather(
        store.add(task(2, idempotency_key="k", body_hash="else")), store.add(task(3)), return_exceptions=True
    )
    assert isinstance(other, Conflict)
    assert "with another body" in other.message
    assert isinstance(good, TaskRecord)
    assert (await store.get("t3")).id == "t3"


async def test_pages_hold_every_task_once_newest_first(store: TaskStore) -> None:
    for number in range(25):
        # Some have the same time, so that the id decides.
        await store.add(task(number, created_at=float(number // 4)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.page(TaskQuery(limit=4, cursor=cursor))
        seen += [record.id for record in page.tasks]
        assert all(record.request == {} and record.result is None for record in page.tasks)
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [f"t{n}" for n in sorted(range(25), key=lambda n: (n // 4, f"t{n}"), reverse=True)]


async def test_a_list_is_filtered(store: TaskStore) -> None:
    await store.add(task(1))
    await store.add(task(2, agent_id="b"))
    await store.add(task(3, session_id="other"))
    await store.advance("t3", TaskState.FAILED)

    async def ids(**wanted: Any) -> list[str]:
        return [record.id for record in (await store.page(TaskQuery(**wanted))).tasks]

    assert await ids(agent_id="a") == ["t3", "t1"]
    assert await ids(state=TaskState.QUEUED) == ["t2", "t1"]
    assert await ids(session_id="other", agent_id="a") == ["t3"]
    assert await ids(session_id="other", agent_id="b") == []
    await store.add(task(4, kind=TaskKind.TOOL))
    assert await ids(kind=TaskKind.TOOL) == ["t4"]
    assert await ids(kind=TaskKind.RUN, agent_id="a") == ["t3", "t1"]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bm90OmE=", "é"])
async def test_a_cursor_that_is_none_is_bad_input(store: TaskStore, cursor: str) -> None:
    with pytest.raises(BadInput, match="cursor"):
        await store.page(TaskQuery(cursor=cursor))


@pytest.mark.parametrize("state", UNDER_WAY)
async def test_what_has_not_ended_is_not_deleted(store: TaskStore, state: TaskState) -> None:
    await store.add(task(state=state))
    with pytest.raises(Conflict, match=f"t1 is {state}"):
        await store.delete("t1")
    await store.advance("t1", TaskState.FAILED)
    await store.add_events([EventChunk("t1", 0, 0, "x")])
    await store.delete("t1")
    assert await store.events("t1", -1, 10) == []
    with pytest.raises(NotFound):
        await store.get("t1")


async def test_a_key_is_free_again_when_its_task_is_deleted(store: TaskStore) -> None:
    await store.add(task(1, idempotency_key="k", body_hash="h", state=TaskState.FAILED))
    await store.delete("t1")
    assert (await store.add(task(2, idempotency_key="k", body_hash="else"))).id == "t2"


async def test_events_come_back_in_order_from_any_place(store: TaskStore) -> None:
    chunks = [EventChunk("t1", 0, 3, "a✓"), EventChunk("t1", 4, 4, "b"), EventChunk("t1", 5, 9, "c")]
    await store.add_events([chunks[2], EventChunk("t2", 0, 0, "other")])
    await store.add_events(chunks[:2])
    assert await store.events("t1", -1, 10) == chunks
    assert await store.events("t1", 3, 10) == chunks[1:]
    assert await store.events("t1", 6, 10) == chunks[2:]
    assert await store.events("t1", 9, 10) == []
    assert await store.events("t1", -1, 1) == chunks[:1]


async def test_an_event_that_is_stored_twice_is_there_once(store: TaskStore) -> None:
    await store.add_events([EventChunk("t1", 0, 1, "first")])
    await store.add_events([EventChunk("t1", 0, 1, "again"), EventChunk("t1", 2, 2, "more")])
    assert [chunk.frames for chunk in await store.events("t1", -1, 10)] == ["first", "more"]


async def test_events_are_stored_with_an_end_only_if_it_is_the_end(store: TaskStore) -> None:
    await store.add(task())
    await store.advance("t1", TaskState.SUCCEEDED, chunks=[EventChunk("t1", 0, 0, "true")])
    await store.advance("t1", TaskState.FAILED, chunks=[EventChunk("t1", 1, 1, "late")])
    assert [chunk.frames for chunk in await store.events("t1", -1, 10)] == ["true"]


async def test_only_the_owners_rows_are_unfinished(store: TaskStore) -> None:
    await store.add(task(1))
    await store.add(task(2, owner="another"))
    await store.add(task(3, state=TaskState.FAILED))
    assert [record.id for record in await store.unfinished("me")] == ["t1"]


async def test_a_task_is_resumed_once(store: TaskStore) -> None:
    wanted = {"on_interrupt": OnInterrupt.RESUME, "state": TaskState.INTERRUPTED, "end_reason": SERVER_DIED}
    await store.add(task(1, **wanted))
    await store.add(task(2, **{**wanted, "end_reason": "reload_grace_expired"}))
    await store.add(task(3, **{**wanted, "on_interrupt": OnInterrupt.KEEP}))
    await store.add(task(4, **{**wanted, "owner": "another"}))
    assert [record.id for record in await store.resumable("me")] == ["t1"]
    done = await asyncio.gather(*(store.resume("t1", task(n, retry_of="t1")) for n in (5, 6, 7)))
    assert sorted(done) == [False, False, True]
    assert await store.resumable("me") == []
    following = (await store.get("t1")).retried_as
    assert following is not None
    assert (await store.get(following)).retry_of == "t1"
    assert len((await store.page(TaskQuery())).tasks) == 5


async def test_callbacks_pending_are_those_of_ended_tasks(store: TaskStore) -> None:
    pending = {"callback_url": "http://x", "callback_state": CallbackState.PENDING}
    await store.add(task(1, **pending))
    await store.add(task(2, state=TaskState.FAILED, **pending))
    assert [record.id for record in await store.callbacks_pending("me")] == ["t2"]
    await store.annotate("t2", callback_state=CallbackState.DELIVERED, callback_attempts=2)
    assert await store.callbacks_pending("me") == []
    assert (await store.get("t2")).callback_attempts == 2


async def test_trimming_takes_the_old_and_the_surplus_but_never_a_live_row(store: TaskStore) -> None:
    await store.add(task(0))
    for number in range(1, 11):
        await store.add(task(number, state=TaskState.FAILED, ended_at=float(number)))
        await store.add_events([EventChunk(f"t{number}", 0, 0, "x")])
    assert await store.trim(keep=6, ended_before=0.0) == 4
    assert await store.trim(keep=6, ended_before=8.0) == 3
    left = [record.id for record in (await store.page(TaskQuery())).tasks]
    assert left == ["t10", "t9", "t8", "t0"]
    assert await store.events("t4", -1, 5) == []
    assert len(await store.events("t8", -1, 5)) == 1
    assert await store.trim(keep=6, ended_before=8.0) == 0


async def test_what_was_written_is_there_when_it_is_opened_again(
    store: TaskStore, open_store: Callable[[], Awaitable[TaskStore]]
) -> None:
    await store.add(task())
    await store.advance("t1", TaskState.RUNNING, started_at=2.0)
    again = await open_store()
    assert (await again.get("t1")).started_at == 2.0


async def test_who_is_cancelled_while_the_store_is_asked_costs_it_nothing(store: TaskStore) -> None:
    await store.add(task())
    for turns in range(60):
        asked = asyncio.ensure_future(store.get("t1") if turns % 2 else store.advance("t1", TaskState.RUNNING))
        for _ in range(turns // 2):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    assert (await store.get("t1")).state is TaskState.RUNNING
