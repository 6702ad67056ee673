"""A signal in the middle of a build, a swap, a drain, an expiry or a close: nothing accepted is lost or left untrue."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from copaw.testing.server import RunningServer, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SCRIPT = Path(__file__).with_name("signal_at.py")
GRACE = {"COPAW_SHUTDOWN_GRACE_SECONDS": "20"}
BEFORE_EXPIRY = ("build", "built", "swap", "drain")
AFTER_EXPIRY = ("expiry", "closing")


@asynccontextmanager
async def struck(home: Path, signal_name: str, moment: str) -> AsyncIterator[tuple[RunningServer, Path]]:
    marker = home.parent / "struck"
    command = (sys.executable, str(SCRIPT), signal_name, moment, str(marker))
    async with running_server(home, environ=GRACE, command=command) as own:
        yield own, marker


def waiting_for(go_on: Path, started: Path) -> str:
    command = f"echo $$ > {started}; until test -e {go_on}; do sleep 0.05; done; echo waited"
    return f"call execute_shell_command {json.dumps({'command': command})}\nsay {{1}}"


async def submit(server: RunningServer, text: str, session_id: str) -> str:
    body = message(text, session_id=session_id, user_id="u")
    return str((await server.call("POST", "/agent/process/task", body))["task_id"])


async def begun(server: RunningServer, tmp_path: Path, *names: str) -> dict[str, str]:
    """Tasks that run until the file ``go-on-NAME`` is there."""
    ids = {name: await submit(server, waiting_for(tmp_path / f"go-on-{name}", tmp_path / name), name) for name in names}
    await wait_until(lambda: all((tmp_path / name).exists() for name in names))
    return ids


async def change(server: RunningServer, **values: Any) -> None:
    running = await server.call("GET", "/agent/running-config")
    await server.call("PUT", "/agent/running-config", {**running, **values})


async def ends(home: Path, ids: dict[str, str], **expected: tuple[str, str | None]) -> None:
    """Start again and compare every task's end, the configuration, and that the agent goes on."""
    async with running_server(home, environ=GRACE) as own:
        for name, end in expected.items():
            task = await own.call("GET", f"/tasks/{ids[name]}")
            assert (task["state"], task["end_reason"]) == end, (name, task)
            session = own.workspace() / "sessions" / f"u_{name}.json"
            assert json.loads(session.read_text())["agent"]["memory"]["content"]
        assert (await own.call("GET", "/agent/running-config"))["max_iters"] == 42
        assert await own.ask("say goes on") == "goes on"


@pytest.mark.parametrize("moment", BEFORE_EXPIRY)
async def test_sigterm_in_the_middle_of_a_reload_lets_running_work_finish(tmp_path: Path, moment: str) -> None:
    home = tmp_path / "home"
    async with struck(home, "SIGTERM", moment) as (own, marker):
        ids = await begun(own, tmp_path, "a", "b")
        await change(own, max_iters=42)
        await wait_until(marker.exists)
        (tmp_path / "go-on-a").touch()
        (tmp_path / "go-on-b").touch()
        assert await own.wait_ended() == 0
        assert "Traceback" not in own.log
    await ends(home, ids, a=("succeeded", None), b=("succeeded", None))


@pytest.mark.parametrize("moment", AFTER_EXPIRY)
async def test_sigterm_in_the_middle_of_an_expiry_keeps_its_cause(tmp_path: Path, moment: str) -> None:
    home = tmp_path / "home"
    async with struck(home, "SIGTERM", moment) as (own, marker):
        ids = await begun(own, tmp_path, "old", "older")
        await change(own, max_iters=42, reload_grace_seconds=0.5)
        await own.wait_lifecycle(lambda found: found["generation"] == 2)
        ids |= await begun(own, tmp_path, "new")
        await wait_until(marker.exists)
        (tmp_path / "go-on-new").touch()
        assert await own.wait_ended() == 0
        assert "Traceback" not in own.log
    expired = ("interrupted", "reload_grace_expired")
    await ends(home, ids, old=expired, older=expired, new=("succeeded", None))


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[None]:
    """Ends the shells that a killed server cannot end."""
    yield
    for name in ("a", "b"):
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((tmp_path / name).read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("moment", [*BEFORE_EXPIRY, *AFTER_EXPIRY])
async def test_kill_9_in_the_middle_of_a_reload_leaves_true_records(tmp_path: Path, moment: str) -> None:
    home = tmp_path / "home"
    async with struck(home, "SIGKILL", moment) as (own, marker):
        ids = await begun(own, tmp_path, "a", "b")
        # Its answer may be lost with the server; what it changed was written before anything was rebuilt.
        await change(own, max_iters=42, reload_grace_seconds=0.5)
        await wait_until(marker.exists)
        assert await own.wait_ended() == -9
    died = ("interrupted", "server_died")
    if moment in AFTER_EXPIRY:
        async with running_server(home, environ=GRACE) as own:
            tasks = [await own.call("GET", f"/tasks/{task_id}") for task_id in ids.values()]
        # Whose end was not recorded before the kill was running when the server died, and that is what is said.
        assert {(task["state"], task["end_reason"]) for task in tasks} <= {
            died,
            ("interrupted", "reload_grace_expired"),
        }
        return
    await ends(home, ids, a=died, b=died)
