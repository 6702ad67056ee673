"""A whole application over a new home, without a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from copaw.app._app import app
from copaw.app.services import Services
from copaw.config.home import make_home
from copaw.paths import Paths


@dataclass
class Server:
    app: FastAPI
    client: httpx.AsyncClient
    paths: Paths

    @property
    def services(self) -> Services:
        return self.app.state.services

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **kwargs: Any) -> Any:
        """Send a request below /api and return the JSON of the answer, which must have that status."""
        response = await self.client.request(method, f"/api{path}", json=body, **kwargs)
        assert response.status_code == status, (response.status_code, response.text)
        return response.json()

    async def error(self, method: str, path: str, body: Any = None, *, status: int, **kwargs: Any) -> dict[str, Any]:
        """The same for a request that must fail: its ``{"code", "message", "field"?}``."""
        answer = await self.call(method, path, body, status=status, **kwargs)
        assert answer["detail"] == answer["error"]["message"]
        return answer["error"]

    async def say(self, text: str, **fields: Any) -> str:
        """One turn with the offline model, told what to do by directives; the text of its answer."""
        body = {"input": [{"role": "user", "content": [{"type": "text", "text": text}]}], **fields}
        answer = await self.client.post("/api/agent/process", json=body)
        last = json.loads(answer.text.strip().rsplit("data: ", 1)[1])
        assert last["status"] == "completed", last
        return last["output"][-1]["content"][0]["text"]

    async def reloaded(self, response: httpx.Response, agent_id: str = "default") -> int:
        """Wait until the reload that an answer announces is done; the agent's generation then."""
        assert response.status_code in (200, 201), response.text
        slot = self.services.manager.slot(agent_id)
        assert int(response.headers["X-Reload-Revision"]) == slot.revisions.wanted
        assert slot.revisions.pending
        await self.services.manager.reload_agent(agent_id)
        assert slot.current is not None
        return slot.current.generation

    def generation(self, agent_id: str = "default") -> int:
        """The agent's generation, 0 if none serves."""
        current = self.services.manager.slot(agent_id).current
        return current.generation if current is not None else 0

    def agent_json(self, agent_id: str = "default") -> dict[str, Any]:
        """What is on disk."""
        return json.loads((self.services.config.workspace_dir(agent_id) / "agent.json").read_text())


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "home.secret"))
    made = Paths.from_environment()
    make_home(made, language="en")
    return made


@pytest.fixture
async def server(paths: Paths) -> AsyncIterator[Server]:
    # One application for all tests, because making the routes takes longer than a test; its lifespan is the test's.
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://copaw"))
        await app.state.services.ready.wait()
        yield Server(app, client, paths)
