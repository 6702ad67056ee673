"""The grace period after a change: what it ends, why, and what is left then."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from copaw.testing.server import RunningServer, answer_of, message, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

GRACE_S = 2.0
SENTENCE = "Ended because the grace period after a configuration change ran out."


async def change(server: RunningServer, agent: str, **values: Any) -> int:
    running = await server.call("GET", "/agent/running-config", agent_id=agent)
    await server.call("PUT", "/agent/running-config", {**running, **values}, agent_id=agent)
    return await server.settled(agent)


def is_terminal(event: dict[str, Any]) -> bool:
    return event["object"] == "response" and event["status"] in ("completed", "failed")


def session(server: RunningServer, agent: str, session_id: str) -> list[dict[str, Any]]:
    file: Path = server.workspace(agent) / "sessions" / f"u_{session_id}.json"
    return [entry for entry, _marks in json.loads(file.read_text())["agent"]["memory"]["content"]]


async def task_result(server: RunningServer, agent: str, task_id: str) -> dict[str, Any]:
    status: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal status
        status = await server.call("GET", f"/agent/process/task/{task_id}", agent_id=agent)
        assert status["status"] in ("pending", "running", "finished")
        return status["status"] == "finished"

    await wait_until(ended, what=lambda: str(status))
    return status["result"]


async def test_the_end_of_the_grace_period_ends_work_for_its_true_reason(
    server: RunningServer, agent: str, shells: Any
) -> None:
    assert await change(server, agent, reload_grace_seconds=GRACE_S) == 2
    body = message(shells.sleeper("task"), session_id="task", user_id="u")
    task_id = (await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"]
    body = message(shells.sleeper("stream"), session_id="stream", user_id="u")
    async with server.stream(body, agent_id=agent) as stream:
        pids = [await shells.pid("task"), await shells.pid("stream")]
        assert await change(server, agent, max_iters=50) == 3
        began = time.monotonic()
        old = (await server.lifecycle(agent))["generations"][0]
        assert (old["generation"], old["state"]) == (2, "draining")
        assert {lease["kind"] for lease in old["leases"]} == {"task", "stream"}
        assert old["drain_deadline"]
        assert await server.ask("say still here", agent_id=agent) == "still here"
        assert all(psutil.pid_exists(pid) for pid in pids)
        events = await stream.rest()
        took_s = time.monotonic() - began
    assert GRACE_S - 1 < took_s < GRACE_S + 5
    assert [event for event in events if is_terminal(event)] == events[-1:]
    result = await task_result(server, agent, task_id)
    for last in (events[-1], result):
        assert (last["status"], last["error"]["reason"]) == ("failed", "reload_grace_expired")
        assert SENTENCE in last["error"]["message"]
        assert "user" not in json.dumps(last["error"])
    left = await server.drained(agent)
    assert [(one["generation"], one["state"]) for one in left["generations"]] == [(3, "serving")]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    for session_id in ("task", "stream"):
        entries = session(server, agent, session_id)
        assert [block["type"] for block in entries[1]["content"]] == ["tool_use"]
        assert SENTENCE in json.dumps(entries[2]["content"][0]["output"])


async def test_a_conversation_goes_on_after_its_run_was_ended(server: RunningServer, agent: str, shells: Any) -> None:
    who = {"session_id": "goes-on", "user_id": "u"}
    async with server.stream(message(shells.sleeper("goes-on"), **who), agent_id=agent) as stream:
        await shells.pid("goes-on")
        assert await change(server, agent, max_iters=51, reload_grace_seconds=0) == 2
        assert (await stream.rest())[-1]["error"]["reason"] == "reload_grace_expired"
    await server.drained(agent)
    assert await server.ask("say and on", agent_id=agent, **who) == "and on"


async def test_a_drain_can_be_ended_by_hand(server: RunningServer, agent: str, shells: Any) -> None:
    async with server.stream(message(shells.sleeper("by-hand")), agent_id=agent) as stream:
        pid = await shells.pid("by-hand")
        assert await change(server, agent, max_iters=52) == 2
        answer = await server.call("POST", f"/agents/{agent}/generations/1/expire")
        assert answer == {"expired": True, "generation": 1}
        assert (await stream.rest())[-1]["error"]["reason"] == "reload_grace_expired"
    await server.drained(agent)
    assert not psutil.pid_exists(pid)
    refused = await server.call("POST", f"/agents/{agent}/generations/1/expire", status=404)
    assert "1" in refused["detail"]


async def test_work_that_ends_in_time_is_left_alone(server: RunningServer, agent: str) -> None:
    assert await change(server, agent, reload_grace_seconds=10) == 2
    script = 'call execute_shell_command {"command": "sleep 0.5; echo done"}\nsay {1}'
    async with server.stream(message(script), agent_id=agent) as stream:
        await stream.until(lambda event: event.get("type") == "plugin_call")
        assert await change(server, agent, max_iters=53) == 3
        assert answer_of((await stream.rest())[-1]) == "done"
    await server.drained(agent)
