"""A server's parts on the offline demo model, and talking to its one agent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from copaw.app.runner.task_tracker import Run
from copaw.app.services import Services, open_services
from copaw.errors import EndReason
from copaw.ports import Json
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request


@dataclass
class Talk:
    """One conversation, of user ``u`` in session ``s``, with agent ``default``."""

    services: Services

    @property
    def workspace(self) -> Path:
        return self.services.generations.files("default").root

    async def start(self, text: str, **fields: Any) -> Run:
        kind = fields.pop("kind", "console")
        return await self.services.runner.start(request(text, **fields), "default", kind=kind)

    async def response(self, text: str, **fields: Any) -> Json:
        return await (await self.start(text, **fields)).wait_end()

    async def say(self, text: str, **fields: Any) -> str:
        """The answer to a message that is answered."""
        response = await self.response(text, **fields)
        assert response["status"] == "completed", response["error"]
        return "".join(item["text"] for item in response["output"][-1]["content"])

    async def running(self, text: str = "delay 60\nsay never said", **fields: Any) -> Run:
        """A run that has begun to answer and does not end by itself."""
        run = await self.start(text, **fields)
        async for event in run.follow():
            if event.payload.get("delta"):
                return run
        raise AssertionError("it ended")

    async def running_command(self, text: str) -> Run:
        """A command that works on the session and has it."""
        run = await self.start(text)
        path = self.workspace / "sessions" / "u_s.json"
        await eventually(lambda: self.services.locks.locked(path), "the command has the session")
        return run

    async def end(self, run: Run) -> Json:
        run.stop(EndReason.TIMEOUT)
        return await run.wait_end()

    def memory(self, name: str = "u_s.json") -> Json:
        return json.loads((self.workspace / "sessions" / name).read_text())["agent"]["memory"]

    def said(self) -> list[str]:
        """The texts of the session, one a message."""
        return [message["content"][0]["text"] for message, _ in self.memory()["content"]]

    def kept(self, why: str) -> list[Json]:
        """The memories in the files of one kind."""
        files = sorted((self.workspace / "dialog" / "u_s").glob(f"*-{why}.json"))
        return [json.loads(path.read_text())["agent"]["memory"] for path in files]

    async def configure(self, change: Callable[[Any], None]) -> None:
        await self.services.config.patch_agent("default", change)

    @property
    def generation(self) -> int:
        current = self.services.manager.slot("default").current
        assert current is not None
        return current.generation


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield Talk(services)
