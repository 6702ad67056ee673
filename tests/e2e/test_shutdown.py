"""The end of a server: who is refused, what is finished, what is ended and why, and what is left."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from copaw.testing.server import EventStream, RunningServer, answer_of, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

GRACE = "COPAW_SHUTDOWN_GRACE_SECONDS"
SENTENCE = "Ended because the server is shutting down."


async def submit(server: RunningServer, text: str, session_id: str) -> str:
    body = message(text, session_id=session_id, user_id="u")
    return (await server.call("POST", "/agent/process/task", body))["task_id"]


def said(server: RunningServer, session_id: str) -> str:
    """The session's last entry."""
    file = server.workspace() / "sessions" / f"u_{session_id}.json"
    last, _marks = json.loads(file.read_text())["agent"]["memory"]["content"][-1]
    return json.dumps(last["content"])


async def wait_closing(server: RunningServer) -> None:
    async def refuses() -> bool:
        return (await server.http.get("/readyz")).status_code == 503

    await wait_until(refuses)


def waiting_for(go_on: Path, started: Path) -> str:
    command = f"touch {started}; until test -e {go_on}; do sleep 0.05; done; echo waited"
    return f"call execute_shell_command {json.dumps({'command': command})}\nsay {{1}}"


async def test_work_under_way_is_finished_and_new_work_refused(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    started = [tmp_path / "stream", tmp_path / "task"]
    async with running_server(tmp_path / "home", environ={GRACE: "20"}) as own:
        body = message(waiting_for(go_on, started[0]), session_id="stream", user_id="u")
        async with own.stream(body) as stream:
            task_id = await submit(own, waiting_for(go_on, started[1]), "task")
            await wait_until(lambda: all(file.exists() for file in started))
            own.terminate()
            await wait_closing(own)
            for path in ("/agent/process", "/agent/process/task", "/console/chat"):
                refused = await own.send("POST", path, message("say too late"))
                assert refused.status_code == 503, (path, refused.text)
                assert int(refused.headers["Retry-After"]) > 0
                assert refused.json()["detail"]
            changed = await own.send("PUT", "/agent/running-config", {"max_iters": 7})
            assert changed.status_code in (200, 503)
            assert (await own.call("GET", f"/agent/process/task/{task_id}"))["status"] == "running"
            assert (await own.http.get("/healthz")).status_code == 200
            go_on.touch()
            assert answer_of((await stream.rest())[-1]) == "waited"
        assert await own.wait_ended() == 0
        assert "waited" in said(own, "stream")
        assert "waited" in said(own, "task")
        assert "Traceback" not in own.log


async def end_of(stream: EventStream) -> dict[str, Any]:
    """The terminal event, of which there is exactly one."""
    events = await stream.rest()
    ends = [event for event in events if event["object"] == "response" and event["status"] in ("completed", "failed")]
    assert ends == events[-1:]
    return ends[0]


async def test_what_does_not_finish_in_time_is_ended_and_told_why(tmp_path: Path, shells: Any) -> None:
    async with running_server(tmp_path / "home", environ={GRACE: "1"}) as own:
        body = message(shells.sleeper("stream"), session_id="stream", user_id="u")
        async with own.stream(body) as stream:
            await submit(own, shells.sleeper("task"), "task")
            pids = [await shells.pid("stream"), await shells.pid("task")]
            began = time.monotonic()
            own.terminate()
            end = await end_of(stream)
        assert await own.wait_ended() == 0
        assert 0.9 < time.monotonic() - began < 10
        assert end["error"]["reason"] == "server_shutdown"
        assert SENTENCE in end["error"]["message"]
        assert not any(psutil.pid_exists(pid) for pid in pids)
        for session_id in ("stream", "task"):
            assert SENTENCE in said(own, session_id)
        assert "Traceback" not in own.log


async def test_a_generation_that_drains_is_drained_too(tmp_path: Path) -> None:
    go_on, started = tmp_path / "go-on", tmp_path / "started"
    async with running_server(tmp_path / "home", environ={GRACE: "20"}) as own:
        async with own.stream(message(waiting_for(go_on, started))) as stream:
            await wait_until(started.exists)
            await own.call("PUT", "/agent/running-config", {"max_iters": 7})
            assert await own.settled() == 2
            own.terminate()
            await wait_closing(own)
            go_on.touch()
            assert answer_of((await stream.rest())[-1]) == "waited"
        assert await own.wait_ended() == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path, shells: Any) -> None:
    async with running_server(tmp_path / "home", environ={GRACE: "60"}) as own:
        async with own.stream(message(shells.sleeper("stream"), session_id="stream", user_id="u")):
            pid = await shells.pid("stream")
            own.terminate()
            await wait_closing(own)
            own.terminate()
            began = time.monotonic()
            assert await own.wait_ended() in (0, 1)
            assert time.monotonic() - began < 3
        await wait_until(lambda: not psutil.pid_exists(pid), within_s=3, what=lambda: f"shell {pid} lives on")
        assert json.loads((own.workspace() / "sessions" / "u_stream.json").read_text())


async def test_a_signal_while_it_starts_ends_it(tmp_path: Path) -> None:
    async with running_server(tmp_path / "home", wait_ready=False) as own:
        own.terminate()
        assert await own.wait_ended() == 0
        assert "Traceback" not in own.log


ROUTES = {"/agent/shutdown": {"status": "shutting down"}, "/agent/admin/shutdown": {"message": "Shutdown initiated"}}


@pytest.mark.parametrize("path", ROUTES)
async def test_the_shutdown_routes_work_with_the_local_token_only(tmp_path: Path, path: str) -> None:
    async with running_server(tmp_path / "home", wait_ready=False) as own:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}):
            refused = await own.http.post(f"/api{path}", headers=headers)
            assert refused.status_code == 403, headers
            assert "token" in refused.json()["detail"]
        (file,) = own.secret_dir.glob("local_token*")
        assert file.stat().st_mode & 0o077 == 0
        headers = {"Authorization": f"Bearer {json.loads(file.read_text())['token']}"}
        accepted = await own.http.post(f"/api{path}", headers=headers)
        assert (accepted.status_code, accepted.json()) == (200, ROUTES[path])
        assert await own.wait_ended() == 0


async def test_two_servers_of_one_machine_do_not_disturb_each_other(server: RunningServer, tmp_path: Path) -> None:
    async with running_server(tmp_path / "home", wait_ready=False) as own:
        assert own.base_url != server.base_url
        own.terminate()
        assert await own.wait_ended() == 0
    answers = await asyncio.gather(*(server.ask(f"say {number}") for number in range(3)))
    assert answers == ["0", "1", "2"]
