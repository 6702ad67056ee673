"""copaw as an MCP server over stdio: each tool call is a call to the running copaw server."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from copaw.app.mcp_server.server import make_server, request_of
from copaw.cli.context import Root
from copaw.cli.runs import last_response
from copaw.cli.task_client import TaskClient
from copaw.ports import Json

if TYPE_CHECKING:
    from copaw.cli.client import Client

CHAT_TIMEOUT_S = 3600.0


class RemoteAgents:
    """:class:`copaw.app.mcp_server.server.Agents` of the server that the command line talks to."""

    def __init__(self, root: Root, base_url: str | None) -> None:
        self._root = root
        self._base_url = base_url

    def _client(self, agent_id: str | None = None) -> Client:
        # Anew for each call: the server may have moved to another port meanwhile.
        return self._root.client(self._base_url, agent_id=agent_id)

    async def agents(self) -> list[Json]:
        answer = await asyncio.to_thread(lambda: self._client().agents())
        return [
            {name: agent.get(name) for name in ("id", "name", "description", "enabled")} for agent in answer["agents"]
        ]

    async def chat(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        body = request_of(text, session_id or str(uuid.uuid4()))

        def run() -> Json:
            return last_response(self._client(agent_id).process(body, timeout_s=CHAT_TIMEOUT_S))

        return await asyncio.to_thread(run)

    async def submit(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        body = request_of(text, session_id or str(uuid.uuid4()))
        return await asyncio.to_thread(lambda: self._client(agent_id).submit(body, timeout_s=30.0))

    async def wait(self, task_id: str, timeout_s: float) -> Json:
        return await asyncio.to_thread(lambda: TaskClient(self._client().http).wait(task_id, timeout_s))

    async def cancel(self, task_id: str) -> Json:
        return await asyncio.to_thread(lambda: TaskClient(self._client().http).cancel(task_id))


async def serve_stdio(root: Root, base_url: str | None) -> None:
    """Serve until stdin ends."""
    from mcp.server.stdio import stdio_server

    server = make_server(RemoteAgents(root, base_url))
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
