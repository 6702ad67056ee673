"""Twenty tasks in flight on a real server that is killed, or stopped: afterwards every row is true."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from copaw.app.background.recorder import STORED_WITHIN_S
from copaw.testing.server import RunningServer, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

IN_FLIGHT = 20
GRACE = {"COPAW_SHUTDOWN_GRACE_SECONDS": "0.3", "COPAW_TOOL_GUARD_ENABLED": "false"}


async def submit(server: RunningServer, number: int) -> str:
    call = "call execute_shell_command " + json.dumps({"command": f"echo {number}; sleep 30"})
    wanted = "resume" if number % 5 == 0 else "keep"
    body = message(f"{call}\nsay never", session_id=f"s{number}", user_id="u", on_interrupt=wanted)
    return (await server.call("POST", "/agent/process/task", body))["task_id"]


async def states(server: RunningServer) -> list[str]:
    return [task["state"] for task in (await server.call("GET", "/tasks?limit=100"))["tasks"]]


async def calling(server: RunningServer, task_id: str) -> None:
    """Wait until the task's tool call is on its way."""
    async with server.http.stream("GET", f"/api/tasks/{task_id}/events") as stream:
        async for line in stream.aiter_lines():
            if '"plugin_call"' in line and '"status":"completed"' in line:
                return


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_every_task_in_flight_has_a_true_end_after_the_server_went(tmp_path: Path, how: signal.Signals) -> None:
    async with running_server(tmp_path / "home", environ=GRACE) as own:
        ids = [await submit(own, number) for number in range(IN_FLIGHT)]
        await asyncio.gather(*(calling(own, task_id) for task_id in ids))
        assert await states(own) == ["running"] * IN_FLIGHT
        # What is older than this has been stored, so each task has a partial result whatever happens next.
        await asyncio.sleep(STORED_WITHIN_S)
        own.process.send_signal(how)
        assert await own.wait_ended() == (-how if how is signal.SIGKILL else 0)
    async with running_server(tmp_path / "home", environ=GRACE) as own:
        reason = "server_died" if how is signal.SIGKILL else "server_shutdown"
        tasks = [await own.call("GET", f"/tasks/{task_id}") for task_id in ids]
        wrong = [task for task in tasks if (task["state"], task["end_reason"]) != ("interrupted", reason)]
        assert not wrong, json.dumps(wrong)
        for number, task in enumerate(tasks):
            # Killed, the call is open; stopped in order, it was given a result that names the cause.
            kinds = ["plugin_call"] if how is signal.SIGKILL else ["plugin_call", "plugin_call_output"]
            assert [item["type"] for item in task["result"]["output"]] == kinds
            assert (task["retried_as"] is not None) == (number % 5 == 0)
            legacy = await own.call("GET", f"/agent/process/task/{task['id']}")
            assert (legacy["status"], legacy["result"]["error"]["reason"]) == ("finished", reason)
        await _resumed(own, [task["retried_as"] for task in tasks if task["retried_as"]])


async def test_a_call_that_had_begun_is_not_repeated_however_early_the_server_is_killed(tmp_path: Path) -> None:
    marks = [tmp_path / f"mark{number}" for number in range(5)]
    async with running_server(tmp_path / "home", environ=GRACE) as own:
        for number, mark in enumerate(marks):
            call = "call execute_shell_command " + json.dumps({"command": f"echo begun >> {mark}; sleep 30"})
            body = message(f"{call}\nsay never", session_id=f"s{number}", user_id="u", on_interrupt="resume")
            await own.call("POST", "/agent/process/task", body)

        async def all_begun() -> bool:
            return all(mark.exists() for mark in marks)

        await wait_until(all_begun)
        own.process.send_signal(signal.SIGKILL)
        await own.wait_ended()
    async with running_server(tmp_path / "home", environ=GRACE) as own:
        tasks = (await own.call("GET", "/tasks?limit=100"))["tasks"]
        assert len(tasks) == 2 * len(marks)
        await _resumed(own, [task["id"] for task in tasks if task["retry_of"]])
        assert [mark.read_text() for mark in marks] == ["begun\n"] * len(marks)


async def _resumed(server: RunningServer, ids: list[str]) -> None:
    async def all_ended() -> bool:
        return not {"queued", "running"} & set(await states(server))

    await wait_until(all_ended)
    for task_id in ids:
        task: dict[str, Any] = await server.call("GET", f"/tasks/{task_id}")
        assert (task["state"], task["attempt"]) == ("succeeded", 2)
        path = server.workspace() / "sessions" / f"u_{task['session_id']}.json"
        blocks = [
            block
            for entry, _marks in json.loads(path.read_text())["agent"]["memory"]["content"]
            for block in entry["content"]
        ]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [block["id"] for block in blocks if block["type"] == "tool_result"]
        assert len(calls) == 1, "the call was repeated"
        assert calls == results, "the call was left open"


async def test_a_second_server_on_the_same_home_says_who_is_there_and_leaves(tmp_path: Path) -> None:
    async with running_server(tmp_path / "home") as own:
        done = await own.cli("app", "--port", "0")
        assert done.returncode == 1
        assert done.stderr.strip().startswith(f"Error: Another copaw server is using {own.working_dir}")
        assert "Traceback" not in done.stderr
        assert await own.ask("say still here") == "still here"
