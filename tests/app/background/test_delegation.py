"""Agents that hand work to one another: waiting on events, no circle, and nothing outlives who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copaw.app.background.delegation import Delegation
from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.notices import Notices
from copaw.app.background.records import Asker, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.settings import TaskSettings
from copaw.errors import EndReason
from copaw.ports import ToolContext, ToolResult
from copaw.testing.fake_tasks import FakeRun, FakeRuns
from copaw.tools.agent_tasks import agent_tools

CALLER = ToolContext("a", Path("/nowhere"), session_id="s", user_id="u")


class Office:
    """Agents, their tasks, and the tools."""

    def __init__(self) -> None:
        self.runs = FakeRuns()
        self.notices: list[tuple[Asker, str]] = []
        self.tasks = TaskService(self._store, self.runs, TaskSettings(limit_of=lambda _agent: 1), [Notices(self._tell)])
        self.delegation = Delegation(lambda: self.tasks, lambda _agent: 60.0)
        self._tools = {tool.name: tool for tool in agent_tools(self.delegation)}

    async def _store(self) -> MemoryTaskStore:
        return MemoryTaskStore()

    async def _tell(self, asker: Asker, text: str) -> bool:
        self.notices.append((asker, text))
        return True

    async def call(self, name: str, caller: ToolContext = CALLER, **arguments: Any) -> ToolResult:
        return await self._tools[name](caller, arguments)

    async def run(self, number: int = 0) -> FakeRun:
        for _ in range(50):
            await asyncio.sleep(0)
        return self.runs.started[number]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    yield office
    for run in office.runs.started:
        run.stop(EndReason.SERVER_SHUTDOWN)
    await office.tasks.aclose()


def text(result: ToolResult) -> str:
    return str(result.content[0]["text"])


def inside(run: FakeRun) -> ToolContext:
    """What a tool sees in a task's run."""
    record = run.record
    return replace(CALLER, agent_id=record.agent_id, session_id=record.session_id, user_id=record.user_id)


async def test_an_agent_asks_another_and_gets_its_answer(office: Office) -> None:
    asking = asyncio.ensure_future(office.call("chat_with_agent", agent_id="b", text="How are you?"))
    run = await office.run()
    assert run.record.chain == ("a",)
    assert run.record.request["input"][0]["content"][0]["text"] == "[Agent a requesting] How are you?"
    run.say("Well.")
    run.complete()
    result = await asking
    assert not result.is_error
    assert text(result) == f"[SESSION: {run.record.session_id}]\nWell."


@pytest.mark.parametrize("reason", [EndReason.RELOAD_GRACE_EXPIRED, EndReason.AGENT_DISABLED, EndReason.TIMEOUT])
async def test_when_the_other_is_ended_the_asker_is_told_why_at_once(office: Office, reason: EndReason) -> None:
    asking = asyncio.ensure_future(office.call("chat_with_agent", agent_id="b", text="x", timeout=3600))
    (await office.run()).stop(reason)
    async with asyncio.timeout(1):
        result = await asking
    assert result.is_error
    assert reason.sentence in text(result)


async def test_when_the_asker_is_cancelled_so_is_what_it_waits_for(office: Office) -> None:
    asking = asyncio.ensure_future(office.call("chat_with_agent", agent_id="b", text="x"))
    run = await office.run()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    ended = await office.tasks.wait(run.record.id)
    assert (ended.state, ended.end_reason) == (TaskState.CANCELLED, "parent_cancelled")


async def test_an_answer_that_takes_too_long_goes_on_as_a_task(office: Office) -> None:
    result = await office.call("chat_with_agent", agent_id="b", text="x", timeout=0.01)
    run = await office.run()
    assert result.is_error
    assert run.record.id in text(result)
    assert not run.ended


async def test_a_circle_of_agents_is_refused_with_the_way_it_goes(office: Office) -> None:
    await office.call("submit_to_agent", agent_id="b", text="x")
    b = inside(await office.run())
    await office.call("submit_to_agent", b, agent_id="c", text="x")
    c = inside(await office.run(1))
    result = await office.call("submit_to_agent", c, agent_id="a", text="x")
    assert result.is_error
    assert "a -> b -> c -> a" in text(result)
    assert len(office.runs.started) == 2
    assert (await office.call("submit_to_agent", agent_id="a", text="x")).is_error


async def test_a_chain_has_an_end(office: Office) -> None:
    caller = CALLER
    for number in range(5):
        assert not (await office.call("submit_to_agent", caller, agent_id=f"n{number}", text="x")).is_error
        caller = inside(await office.run(number))
    result = await office.call("submit_to_agent", caller, agent_id="one-more", text="x")
    assert "5 times in a row" in text(result)


async def test_waiting_returns_with_all_or_with_the_first(office: Office) -> None:
    ids = [text(await office.call("submit_to_agent", agent_id=name, text="x"))[10:46] for name in ("b", "c")]
    first = asyncio.ensure_future(office.call("wait_agent_tasks", task_ids=ids, first=True))
    both = asyncio.ensure_future(office.call("wait_agent_tasks", task_ids=ids))
    run = await office.run(1)
    run.say("from c")
    run.complete()
    assert "from c" in text(await first)
    assert not both.done()
    (await office.run(0)).fail("no luck")
    result = await both
    assert result.is_error
    assert "no luck" in text(result)


async def test_what_is_waited_for_does_not_wait_for_a_place(office: Office) -> None:
    ids = [text(await office.call("submit_to_agent", agent_id="b", text="x"))[10:46] for _ in range(3)]
    await office.run()
    assert len(office.runs.started) == 1
    waiting = asyncio.ensure_future(office.call("wait_agent_tasks", task_ids=ids))
    await office.run()
    assert len(office.runs.started) == 3
    for run in office.runs.started:
        run.complete()
    assert not (await waiting).is_error


async def test_a_task_is_shown_only_to_who_asked_for_it(office: Office) -> None:
    task_id = text(await office.call("submit_to_agent", agent_id="b", text="x"))[10:46]
    stranger = replace(CALLER, agent_id="z")
    for name, arguments in (
        ("check_agent_task", {"task_id": task_id}),
        ("cancel_agent_task", {"task_id": task_id}),
        ("wait_agent_tasks", {"task_ids": [task_id]}),
    ):
        result = await office.call(name, stranger, **arguments)
        assert result.is_error
        assert "no task" in text(result)
    await office.run()
    assert "STATUS: running" in text(await office.call("check_agent_task", task_id=task_id))
    await office.call("cancel_agent_task", task_id=task_id)
    assert "STATUS: cancelled" in text(await office.call("wait_agent_tasks", task_ids=[task_id]))


async def test_who_wants_it_is_told_of_the_end(office: Office) -> None:
    await office.call("submit_to_agent", agent_id="b", text="x", notify=True)
    run = await office.run()
    run.say("All sorted.")
    run.complete()
    await office.run()
    assert [(asker, "All sorted." in notice) for asker, notice in office.notices] == [
        (Asker("a", "console", "u", "s"), True)
    ]
