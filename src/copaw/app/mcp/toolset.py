"""The tools of an agent's MCP servers, under names that models take and that differ."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from copaw.app.mcp.client import McpClient
from copaw.app.mcp.results import Results
from copaw.app.mcp.session import CallFailed, RemoteTool
from copaw.ports import Json, Tool, ToolContext, ToolResult

logger = logging.getLogger(__name__)

MAX_NAME_CHARS = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


class McpTool:
    """A :class:`copaw.ports.Tool` of an MCP server.

    :param client_key: the server's key in the configuration.
    """

    def __init__(self, name: str, client_key: str, client: McpClient, remote: RemoteTool) -> None:
        self.name = name
        self.description = remote.description or f"{remote.name} of {client.name}"
        self.parameters: Json = {"properties": {}, **remote.input_schema, "type": "object"}
        self.mcp_server = client_key
        self._client = client
        self._remote = remote

    async def __call__(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        """Call it. Whatever goes wrong comes back as a result; only cancellation is raised."""
        try:
            result = await self._client.call(self._remote.name, arguments, context.progress)
            return await Results(context.workspace_dir).converted(self.name, result)
        except CallFailed as failure:
            return ToolResult.text(f"{self.name} failed: {failure.message}", is_error=True)
        except OSError as error:
            text = f"The result of {self.name} cannot be kept: {error.strerror or error}: {error.filename}"
            return ToolResult.text(text, is_error=True)
        except Exception as error:
            # The supervisor of every tool: a defect of one must not end the run.
            logger.exception("MCP tool %s failed unexpectedly (agent %s)", self.name, context.agent_id)
            text = f"{self.name} failed unexpectedly ({type(error).__name__}: {error}). Try another way."
            return ToolResult.text(text, is_error=True)


class AgentTools:
    """The tools of one generation: the built-in ones, and whatever its MCP servers offer at the moment.

    Called for each turn; answers the same object until something changed.

    :param clients: by their key in the configuration.
    """

    def __init__(self, builtin: Sequence[Tool], clients: Mapping[str, McpClient]) -> None:
        self._builtin = tuple(builtin)
        self._clients = dict(clients)
        self._versions: list[int] | None = None
        self._tools: tuple[Tool, ...] = ()
        self._origins: dict[str, str] = {}

    def origin(self, name: str) -> str | None:
        """The key of the server that the tool comes from; ``None`` for a built-in one."""
        return self._origins.get(name)

    def __call__(self) -> tuple[Tool, ...]:
        versions = [client.tools_version for client in self._clients.values()]
        if versions != self._versions:
            self._versions = versions
            remote = named(self._clients, {tool.name for tool in self._builtin})
            self._origins = {tool.name: tool.mcp_server for tool in remote}
            self._tools = (*self._builtin, *remote)
        return self._tools


def named(clients: Mapping[str, McpClient], taken: Iterable[str]) -> list[McpTool]:
    """Every tool of the clients. The first to ask for a name has it; later ones get it with the client's key."""
    used = set(taken)
    tools = []
    for key, client in clients.items():
        for remote in client.tools:
            name = _free_name(remote.name, key, used)
            used.add(name)
            tools.append(McpTool(name, key, client, remote))
    return tools


def _free_name(wanted: str, key: str, used: set[str]) -> str:
    plain = _NOT_IN_NAMES.sub("_", wanted)[:MAX_NAME_CHARS]
    if not plain.strip("_"):
        plain = "tool"
    if plain not in used:
        return plain
    base = _NOT_IN_NAMES.sub("_", f"{key}_{wanted}")
    name, number = base[:MAX_NAME_CHARS], 2
    while name in used:
        end = f"_{number}"
        name, number = base[: MAX_NAME_CHARS - len(end)] + end, number + 1
    return name
