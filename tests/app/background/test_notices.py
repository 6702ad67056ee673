"""Whoever wants to hear of a task's end does, once, and over a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.notices import MAX_CHARS, Notices, notice
from copaw.app.background.records import Asker, CallbackState, TaskKind, TaskRecord, TaskState
from copaw.errors import Conflict, CopawError, Unavailable

ASKER = Asker("a", "telegram", "u", "s")


def said(text: str) -> dict[str, object]:
    return {"output": [{"type": "message", "content": [{"type": "text", "text": text}]}]}


def task(task_id: str = "t1", **fields: object) -> TaskRecord:
    record = TaskRecord(
        id=task_id,
        agent_id="b",
        session_id="x",
        user_id="x",
        state=TaskState.SUCCEEDED,
        created_at=1.0,
        timeout_s=1.0,
        owner="me",
        asker=ASKER,
        notice_state=CallbackState.PENDING,
        result=said("All sorted."),
    )
    return replace(record, **fields)  # type: ignore[arg-type]


class Conversations:
    """What was told to whom; ``answer`` is what the next telling does."""

    def __init__(self) -> None:
        self.told: list[tuple[Asker, str]] = []
        self.answer: bool | CopawError = True
        self.asked = asyncio.Event()

    async def tell(self, asker: Asker, text: str) -> bool:
        self.asked.set()
        if isinstance(self.answer, CopawError):
            raise self.answer
        if self.answer:
            self.told.append((asker, text))
        return self.answer


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_end_is_told_once_and_that_is_recorded() -> None:
    store, people = MemoryTaskStore(), Conversations()
    await store.add(task())
    notices = Notices(people.tell)
    notices.begin(store, "me")
    await settle()
    assert people.told == [(ASKER, "Task t1 of agent b has ended (succeeded). All sorted.")]
    assert (await store.get("t1")).notice_state is CallbackState.DELIVERED
    Notices(people.tell).begin(store, "me")
    await settle()
    assert len(people.told) == 1
    await notices.aclose()


@pytest.mark.parametrize("answer", [False, Unavailable("the agent is starting")])
async def test_what_did_not_arrive_is_told_by_the_next_server(answer: bool | CopawError) -> None:
    store, people = MemoryTaskStore(), Conversations()
    await store.add(task())
    people.answer = answer
    Notices(people.tell).begin(store, "me")
    await people.asked.wait()
    await settle()
    assert (await store.get("t1")).notice_state is CallbackState.PENDING
    people.answer = True
    Notices(people.tell).begin(store, "me")
    await settle()
    assert len(people.told) == 1


async def test_a_conversation_that_is_gone_is_given_up() -> None:
    store, people = MemoryTaskStore(), Conversations()
    await store.add(task())
    people.answer = Conflict("the channel is off")
    Notices(people.tell).begin(store, "me")
    await settle()
    assert (await store.get("t1")).notice_state is CallbackState.FAILED


async def test_a_task_that_nobody_waits_for_that_runs_or_that_goes_on_in_another_is_not_told() -> None:
    store, people = MemoryTaskStore(), Conversations()
    await store.add(task("t1", asker=None, notice_state=None))
    await store.add(task("t2", state=TaskState.RUNNING))
    await store.add(task("t3", state=TaskState.INTERRUPTED, retried_as="t2"))
    notices = Notices(people.tell)
    notices.begin(store, "me")
    notices.deliver(await store.get("t1"))
    await settle()
    assert people.told == []


def test_a_notice_says_what_ended_how_and_is_bounded() -> None:
    failed = task(state=TaskState.FAILED, result={**said("x" * MAX_CHARS), "error": {"message": "no luck"}})
    assert len(notice(failed)) == MAX_CHARS + 3
    call = {"type": "plugin_call_output", "content": [{"data": {"output": '[{"type": "text", "text": "7 files"}]'}}]}
    tool = task(kind=TaskKind.TOOL, request={"tool": "glob_search"}, result={"output": [call]})
    assert notice(tool) == "Task t1 of tool glob_search has ended (succeeded). 7 files"
