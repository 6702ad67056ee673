"""``copaw shutdown`` against a real server: work under way is finished, then the process and its lock are gone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from copaw.testing.server import answer_of, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_it_waits_for_what_runs_and_says_so(tmp_path: Path) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go-on"
    command = f"touch {started}; until test -e {go_on}; do sleep 0.05; done; echo waited"
    text = f"call execute_shell_command {json.dumps({'command': command})}\nsay {{1}}"
    async with running_server(tmp_path / "home", environ={"COPAW_SHUTDOWN_GRACE_SECONDS": "20"}) as server:
        running = asyncio.create_task(server.events(message(text)), name="run")
        await wait_until(started.exists)
        ending = asyncio.create_task(server.cli("shutdown"), name="copaw shutdown")

        async def refuses() -> bool:
            return (await server.http.get("/readyz")).status_code == 503

        await wait_until(refuses)
        await asyncio.sleep(1)  # so that the other process looks at least once
        assert not ending.done()
        go_on.touch()
        assert "waited" in answer_of((await running)[-1])
        done = await ending
        assert (done.returncode, done.stderr) == (0, "")
        assert "Still under way: 1 (stream of default)" in done.stdout
        assert "The server has ended after" in done.stdout
        assert await server.wait_ended(5) == 0
        assert (await server.cli("clean", "--dry-run")).returncode == 0
