"""What a server that comes back knows of the tasks it had accepted, and that it is alone in its home."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from copaw.testing.server import RunningServer, ServerFailed, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

GRACE = {"COPAW_SHUTDOWN_GRACE_SECONDS": "0.5"}


async def submit(server: RunningServer, text: str, session_id: str) -> str:
    body = message(text, session_id=session_id, user_id="u")
    return (await server.call("POST", "/agent/process/task", body))["task_id"]


async def status(server: RunningServer, task_id: str) -> dict[str, Any]:
    return await server.call("GET", f"/agent/process/task/{task_id}")


async def finish(server: RunningServer, task_id: str) -> dict[str, Any]:
    async def finished() -> bool:
        return (await status(server, task_id))["status"] == "finished"

    await wait_until(finished)
    return await status(server, task_id)


@pytest.fixture
def orphans() -> Iterator[list[int]]:
    """Shells that a killed server leaves behind; ended with the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if psutil.pid_exists(pid):
            for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
                os.kill(process.pid, signal.SIGKILL)


async def test_accepted_tasks_have_a_true_end_after_a_kill_and_after_a_shutdown(
    tmp_path: Path, shells: Any, orphans: list[int]
) -> None:
    async with running_server(tmp_path / "home") as own:
        done = await submit(own, "say done", "done")
        result = await finish(own, done)
        killed = await submit(own, shells.sleeper("killed"), "killed")
        orphans.append(await shells.pid("killed"))
        own.process.kill()
        assert await own.wait_ended() == -signal.SIGKILL
    async with running_server(tmp_path / "home", environ=GRACE) as own:
        assert await status(own, done) == result
        died = await status(own, killed)
        assert (died["status"], died["result"]["status"]) == ("finished", "failed")
        assert died["result"]["error"]["reason"] == "server_died"
        assert (await own.call("GET", f"/tasks/{killed}"))["state"] == "interrupted"
        assert await own.ask("say and on", session_id="killed", user_id="u") == "and on"
        ended = await submit(own, shells.sleeper("ended"), "ended")
        await shells.pid("ended")
        own.terminate()
        assert await own.wait_ended() == 0
    async with running_server(tmp_path / "home") as own:
        assert await status(own, done) == result
        assert await status(own, killed) == died
        shut = await status(own, ended)
        assert (shut["status"], shut["result"]["error"]["reason"]) == ("finished", "server_shutdown")
        assert (await own.call("GET", f"/tasks/{ended}"))["state"] == "interrupted"
        listed = (await own.call("GET", "/tasks"))["tasks"]
        assert [one["id"] for one in listed] == [ended, killed, done]


async def test_a_second_server_in_the_same_home_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with running_server(tmp_path, wait_ready=False) as own:
        with pytest.raises(ServerFailed, match="Another copaw server is using"):
            async with running_server(tmp_path, wait_ready=False):
                pass
        assert (await own.http.get("/healthz")).status_code == 200
        record = (own.working_dir / "runtime.json").read_text()
        assert own.base_url.rpartition(":")[2] in record
