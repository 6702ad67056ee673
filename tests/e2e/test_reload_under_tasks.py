"""Ten background tasks and three rounds of changes: every task gets its answer, every old generation closes."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from copaw.testing.server import RunningServer, answer_of, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

TASKS, ROUNDS, CALLS = 10, 3, 3
PROMPT_FILES = ["AGENTS.md", "SOUL.md", "PROFILE.md"]
TASK_ID = re.compile(r"^\[TASK_ID: (\S+)\]$", re.MULTILINE)


def script(number: int) -> str:
    """Three commands of a second. The words are put together by printf: repeating the command is no answer."""
    commands = [f"sleep 1; printf word-%s-%s {number} {call}" for call in range(1, CALLS + 1)]
    calls = [f"call execute_shell_command {json.dumps({'command': command})}" for command in commands]
    return "\n".join([f"Task {number}.", *calls, f"say task {number}: {{1}} {{2}} {{3}}"])


def expected(number: int) -> str:
    return f"task {number}: " + " ".join(f"word-{number}-{call}" for call in range(1, CALLS + 1))


async def submit(server: RunningServer, number: int) -> str:
    who = ("--from-agent", "default", "--to-agent", "default")
    done = await server.cli("agents", "chat", "--background", *who, "--text", script(number))
    found = TASK_ID.search(done.stdout)
    assert done.returncode == 0, done
    assert found, done
    return found[1]


class Watcher:
    """A client that asks for the state of every task all the time, and for where its lease is."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self.states: defaultdict[str, list[str]] = defaultdict(list)
        self.results: dict[str, Any] = {}
        self.generations: defaultdict[str, set[int]] = defaultdict(set)

    async def look(self, task_ids: list[str]) -> None:
        for task_id in task_ids:
            status = await self._server.call("GET", f"/agent/process/task/{task_id}")
            state = status.get("status", json.dumps(status))
            if self.states[task_id][-1:] != [state]:
                self.states[task_id].append(state)
            self.results[task_id] = status.get("result")
        for generation in (await self._server.lifecycle())["generations"]:
            for lease in generation["leases"]:
                self.generations[lease["task_id"]].add(generation["generation"])

    async def run(self, task_ids: list[str], stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            await self.look(task_ids)
            await asyncio.sleep(0.05)


async def change(server: RunningServer, path: str, document: Any) -> None:
    """Save a document, and insist that it was another one before and is this one afterwards."""
    before = await server.call("GET", path)
    assert before != document, f"{path} would not change"
    answer = await server.send("PUT", path, document)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["X-Reload-Revision"]) > 0
    assert await server.call("GET", path) == document


async def round_of_changes(server: RunningServer, number: int) -> None:
    running = await server.call("GET", "/agent/running-config")
    await change(server, "/agent/running-config", {**running, "max_iters": 60 + number})
    files = await server.call("GET", "/agent/system-prompt-files")
    await change(server, "/agent/system-prompt-files", PROMPT_FILES[:2] if files == PROMPT_FILES else PROMPT_FILES)
    profile = await server.call("GET", "/agents/default")
    await change(server, "/agents/default", {**profile, "description": f"In round {number}."})
    channels = await server.call("GET", "/config/channels")
    console = {**channels["console"], "bot_prefix": f"[{number}] "}
    await change(server, "/config/channels", {**channels, "console": console})


async def test_ten_tasks_end_with_their_own_answers_through_three_rounds_of_changes(
    server: RunningServer, children: Callable[[RunningServer], list[str]]
) -> None:
    first = (await server.lifecycle())["generation"]
    watcher, stopped = Watcher(server), asyncio.Event()
    task_ids: list[str] = []
    watching = asyncio.create_task(watcher.run(task_ids, stopped))
    numbers = iter(range(1, TASKS + 1))
    try:
        for share, round_number in zip((4, 3, 3), range(1, ROUNDS + 1), strict=True):
            for _ in range(share):
                task_ids += [await submit(server, next(numbers))]
            before = await server.lifecycle()
            held = {lease["task_id"] for one in before["generations"] for lease in one["leases"]}
            await round_of_changes(server, round_number)
            after = await server.lifecycle()
            assert held & {lease["task_id"] for one in after["generations"] for lease in one["leases"]}, (
                "the changes were answered only when the tasks had ended"
            )
            assert await server.settled() > before["generation"]
        await wait_until(
            lambda: len(task_ids) == TASKS and all(watcher.states[one][-1:] == ["finished"] for one in task_ids),
            within_s=40,
            what=lambda: str(dict(watcher.states)),
        )
        await watcher.look(task_ids)
    finally:
        stopped.set()
        await watching
    answers = [answer_of(watcher.results[task_id]) for task_id in task_ids]
    assert answers == [expected(number) for number in range(1, TASKS + 1)]
    truthful = ["pending", "running", "finished"]
    for states in watcher.states.values():
        assert states[-1] == "finished"
        assert states == [state for state in truthful if state in states], "a state came twice, or out of order"
    assert all(len(watcher.generations[task_id]) == 1 for task_id in task_ids), "a task changed its generation"
    assert len(set.union(*(watcher.generations[task_id] for task_id in task_ids))) >= ROUNDS
    left = await server.drained()
    assert [one["state"] for one in left["generations"]] == ["serving"]
    assert left["generation"] >= first + ROUNDS
    assert children(server) == []


async def test_a_finished_task_stays_finished_and_an_unknown_one_says_so(server: RunningServer) -> None:
    task_id = await submit_quick(server)
    status: dict[str, Any] = {}

    async def finished() -> bool:
        nonlocal status
        status = await server.call("GET", f"/agent/process/task/{task_id}")
        return status["status"] == "finished"

    await wait_until(finished, what=lambda: str(status))
    running = await server.call("GET", "/agent/running-config")
    await server.call("PUT", "/agent/running-config", {**running, "max_iters": running["max_iters"] + 1})
    await server.settled()
    assert await server.call("GET", f"/agent/process/task/{task_id}") == status
    unknown = await server.call("GET", "/agent/process/task/no-such-task")
    assert unknown == {"error": "Task no-such-task not found"}


async def submit_quick(server: RunningServer) -> str:
    who = ("--from-agent", "default", "--to-agent", "default")
    done = await server.cli("agents", "chat", "--background", *who, "--text", "say quick")
    found = TASK_ID.search(done.stdout)
    assert found, done
    return found[1]
