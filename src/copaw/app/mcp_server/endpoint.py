"""``/mcp``: this server's agents over streamable HTTP, for callers on this machine."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from copaw.app.background.submission import parse_submission
from copaw.app.background.view import submission_answer, task_json, task_summary
from copaw.app.mcp_server.server import make_server, request_of
from copaw.app.runner.request import parse_request
from copaw.app.services import Services
from copaw.ports import Json

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

LOCAL_HOSTS = ["127.0.0.1", "127.0.0.1:*", "localhost", "localhost:*", "[::1]", "[::1]:*"]
"""What ``Host`` may be, so that no web page reaches this through a name of its own."""


class LocalAgents:
    """:class:`copaw.app.mcp_server.server.Agents` of this process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def agents(self) -> list[Json]:
        config = self._services.config
        found = []
        for agent_id in config.agent_ids():
            broken = config.problem(agent_id) is not None
            profile = None if broken else config.agent(agent_id)
            name, description = (profile.name, profile.description) if profile is not None else (agent_id, "")
            enabled = config.ref(agent_id).enabled
            found.append({"id": agent_id, "name": name, "description": description, "enabled": enabled})
        return found

    async def chat(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        request = parse_request(request_of(text, session_id or str(uuid.uuid4())))
        # A caller that hangs up ends its wait, not the run.
        run = await self._services.runner.start(request, self._meant(agent_id), kind="stream")
        return await run.wait_end()

    async def submit(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        agent = self._meant(agent_id)
        body = request_of(text, session_id or str(uuid.uuid4()))
        default_s = self._services.config.agent(agent).running.background_task_timeout_seconds
        request = parse_request(body).model_dump(mode="json")
        submission = parse_submission(agent, body, request, default_timeout_s=default_s)
        return submission_answer(await self._services.tasks.submit(submission))

    async def wait(self, task_id: str, timeout_s: float) -> Json:
        return task_json(await self._services.tasks.wait(task_id, timeout_s))

    async def cancel(self, task_id: str) -> Json:
        return task_summary(await self._services.tasks.cancel(task_id))

    def _meant(self, agent_id: str | None) -> str:
        agent = agent_id or self._services.config.root.agents.active_agent or "default"
        self._services.config.ref(agent)
        return agent


class McpEndpoint:
    """The ASGI application of ``/mcp``. What it needs is imported and started by the first request.

    One task of its own enters and leaves the scopes of ``mcp``'s session manager.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._starting = asyncio.Lock()
        self._closing = asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        manager = await self._started()
        await manager.handle_request(scope, receive, send)

    async def _started(self) -> StreamableHTTPSessionManager:
        async with self._starting:
            if self._manager is None:
                manager = await asyncio.to_thread(_make_manager, LocalAgents(self._services))
                running = asyncio.Event()
                self._task = asyncio.create_task(self._run(manager, running), name="mcp-endpoint")
                await running.wait()
                self._manager = manager
        return self._manager

    async def _run(self, manager: StreamableHTTPSessionManager, running: asyncio.Event) -> None:
        async with manager.run():
            running.set()
            await self._closing.wait()

    async def aclose(self) -> None:
        """End it with every request under way."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])


def _make_manager(agents: LocalAgents) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp.server.transport_security import TransportSecuritySettings

    origins: list[Any] = [f"http://{host}" for host in LOCAL_HOSTS]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=LOCAL_HOSTS, allowed_origins=origins
    )
    return StreamableHTTPSessionManager(
        make_server(agents), json_response=True, stateless=True, security_settings=security
    )
