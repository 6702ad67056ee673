"""The operations of 1.0.2, and a whole application to send them to."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from copaw.app._app import app
from copaw.paths import Paths
from copaw.testing.home import fresh_home
from copaw.testing.server import message


@dataclass
class World:
    """An application without a socket, the things that are made in it, and the agents they belong to.

    :param agent_id: an agent besides the default one, for the operations below its own path.
    :param agent_off: one that is disabled.
    """

    client: httpx.AsyncClient
    paths: Paths
    agent_id: str = ""
    agent_off: str = ""
    prefix: str = "/api"
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self.client.request(method, path, **request)

    async def made(self, method: str, path: str, body: Any, *, below: str | None = None) -> Any:
        """Make a thing; what was answered."""
        response = await self.send(method, f"{self.prefix if below is None else below}{path}", json=body)
        assert response.status_code in (200, 201), (path, response.text)
        return response.json()

    async def thing(self, parameter: str) -> str:
        """What there is for a parameter of a path; made for the purpose."""
        make = _THINGS.get(parameter)
        return await make(self, f"{parameter}-{next(self.numbers)}") if make else _NAMED[parameter]


async def _agent(world: World, _name: str) -> str:
    return (await world.made("POST", "/agents", {"name": "Made"}, below="/api"))["id"]


async def _chat(world: World, name: str) -> str:
    return (await world.made("POST", "/chats", {"session_id": name, "user_id": "u"}))["id"]


async def _job(world: World, _name: str) -> str:
    return (await world.made("POST", "/cron/jobs", job()))["id"]


async def _mcp_client(world: World, name: str) -> str:
    client = {"name": "Client", "enabled": False, "command": "none"}
    return (await world.made("POST", "/mcp", {"client_key": name, "client": client}))["key"]


async def _provider(world: World, name: str) -> str:
    models = [{"id": "given", "name": "Given"}]
    body = {"id": name, "name": "Own", "default_base_url": "http://127.0.0.1:9/v1", "models": models}
    return (await world.made("POST", "/models/custom-providers", body, below="/api"))["id"]


async def _task(world: World, _name: str) -> str:
    return (await world.made("POST", "/agent/process/task", message("hello")))["task_id"]


async def _env(world: World, name: str) -> str:
    key = name.upper().replace("-", "_")
    known = {one["key"]: one["value"] for one in (await world.send("GET", "/api/envs")).json()}
    await world.made("PUT", "/envs", {**known, key: "value"}, below="/api")
    return key


async def _upload(world: World, _name: str) -> str:
    sent = await world.send("POST", f"{world.prefix}/console/upload", files={"file": ("a.txt", b"text")})
    return sent.json()["url"].lstrip("/")


_THINGS: dict[str, Callable[[World, str], Awaitable[str]]] = {
    "agentId": _agent,
    "chat_id": _chat,
    "job_id": _job,
    "client_key": _mcp_client,
    "provider_id": _provider,
    "task_id": _task,
    "key": _env,
    "filepath": _upload,
}
_NAMED = {
    "model_id": "given",
    "md_name": "SOUL.md",
    "channel_name": "console",
    "channel": "weixin",
    "tool_name": "read_file",
    "full_path": "a/page",
    "skill_name": "any",
    "file_path": "SKILL.md",
    "index": "0",
}


def job(**fields: Any) -> dict[str, Any]:
    """A job that is never due while a test runs."""
    return {
        "id": "",
        "name": "Job",
        "schedule": {"type": "cron", "cron": "0 0 1 1 *", "timezone": "UTC"},
        "task_type": "agent",
        "request": {"input": "go"},
        "dispatch": {"type": "channel", "channel": "console", "target": {"user_id": "u", "session_id": "s"}},
        **fields,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """An application for the tests of one module, in the environment that the module's ``ENVIRON`` adds to."""
    directory: Path = tmp_path_factory.mktemp("contract")
    paths = fresh_home(directory)
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("COPAW_WORKING_DIR", str(paths.working_dir))
        environ.setenv("COPAW_SECRET_DIR", str(paths.secret_dir))
        for name, value in vars(request.module).get("ENVIRON", {}).items():
            environ.setenv(name, value)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app=app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://copaw"))
            await app.state.services.ready.wait()
            made = World(client, paths)
            if "COPAW_AUTH_ENABLED" in os.environ:
                yield made
                return
            made.agent_id, made.agent_off = await made.thing("agentId"), await made.thing("agentId")
            await made.send("PATCH", f"/api/agents/{made.agent_off}/toggle", json={"enabled": False})
            yield made


@pytest.fixture(scope="session")
def contract() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("http.json").read_text("utf-8"))
