"""The MCP clients of the process, shared by generations and by agents that agree on them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from copaw.aiokits.pool import Pool
from copaw.app.mcp.client import McpClient, Opener, running_client
from copaw.app.mcp.session import Session
from copaw.app.mcp.settings import ClientSettings, resolved
from copaw.app.mcp.toolset import AgentTools
from copaw.config.envs import EnvFile
from copaw.config.models import AgentProfileConfig, MCPClientConfig, MCPConfig
from copaw.errors import BadInput, ConfigFileError
from copaw.ports import Tool

logger = logging.getLogger(__name__)

START_BOUND_S = 5.0
"""How long a generation waits for its MCP servers before it serves without them, in seconds."""


def clients_of(profile: AgentProfileConfig) -> dict[str, MCPClientConfig]:
    """An agent's clients; the defaults if it configures none."""
    return (profile.mcp if profile.mcp is not None else MCPConfig()).clients


class McpClients:
    """Opens what a generation needs, and finds what is open.

    :param envs: has variables for ``${NAME}``; they come before those of the environment.
    """

    def __init__(self, envs: EnvFile) -> None:
        self._envs = envs
        self.pool: Pool[str, McpClient] = Pool("mcp")

    @asynccontextmanager
    async def tools_for(
        self, agent_id: str, profile: AgentProfileConfig, builtin: Sequence[Tool]
    ) -> AsyncIterator[AgentTools]:
        """The tools of one generation, with every enabled client held until the end of the ``async with``.

        Waits until new clients have tried to connect, but not for one that is older than :data:`START_BOUND_S`.
        What connects later offers its tools later.
        """
        enabled = {key: config for key, config in clients_of(profile).items() if config.enabled}
        clients: dict[str, McpClient] = {}
        async with AsyncExitStack() as stack:
            variables = await self._variables() if enabled else {}
            for key, config in enabled.items():
                pool_key, open_ = self._opening(agent_id, key, config, variables)
                clients[key] = await stack.enter_async_context(self.pool.using(pool_key, open_))
            await _tried(clients)
            yield AgentTools(builtin, clients)

    async def find(self, agent_id: str, key: str, config: MCPClientConfig) -> McpClient | None:
        """The client that is open for this configuration, if one is."""
        return self.pool.peek(self._opening(agent_id, key, config, await self._variables())[0])

    async def find_all(self, agent_id: str, profile: AgentProfileConfig) -> dict[str, McpClient | None]:
        """The same for each of an agent's clients; ``None`` for one that is not open."""
        variables = await self._variables()
        return {
            key: self.pool.peek(self._opening(agent_id, key, config, variables)[0]) if config.enabled else None
            for key, config in clients_of(profile).items()
        }

    async def wanted(self, agent_id: str, profile: AgentProfileConfig) -> tuple[str, ...]:
        """What names an agent's enabled clients in the pool now: it changes when a variable in use changes."""
        enabled = {key: config for key, config in clients_of(profile).items() if config.enabled}
        variables = await self._variables() if enabled else {}
        return tuple(self._opening(agent_id, key, config, variables)[0] for key, config in enabled.items())

    async def aclose(self) -> None:
        """End every client."""
        await self.pool.aclose()

    def _opening(
        self, agent_id: str, key: str, config: MCPClientConfig, variables: Mapping[str, str]
    ) -> tuple[str, Callable[[], AbstractAsyncContextManager[McpClient]]]:
        try:
            settings = resolved(key, config, variables)
        except BadInput as error:
            # It is opened all the same, and says why it cannot work.
            settings = ClientSettings.model_construct(name=config.name, args=(), env={}, headers={})
            return f"{agent_id}/{key}: {error.message}", partial(running_client, settings, _Unusable(error))
        return settings.key(agent_id), partial(_connected_client, settings)

    async def _variables(self) -> Mapping[str, str]:
        try:
            stored = await asyncio.to_thread(self._envs.for_children)
        except ConfigFileError as error:
            # Whoever needs a variable from it says so; the other clients work.
            logger.error("the variables for MCP servers cannot be read: %s", error.message)
            stored = {}
        return {**os.environ, **stored}


async def _tried(clients: Mapping[str, McpClient]) -> None:
    outcomes = await asyncio.gather(*(client.wait_tried(START_BOUND_S) for client in clients.values()))
    late = [key for key, known in zip(clients, outcomes, strict=True) if not known]
    if late:
        logger.warning("MCP clients that are not ready yet: %s", ", ".join(late))


def _connected_client(settings: ClientSettings) -> AbstractAsyncContextManager[McpClient]:
    return running_client(settings, _Lazy(settings))


class _Lazy:
    """Imports ``mcp`` when the first session is opened, and lets the loop go on meanwhile."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._opener: Opener | None = None

    @property
    def last_words(self) -> str:
        return self._opener.last_words if self._opener is not None else ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        if self._opener is None:
            self._opener = await asyncio.to_thread(_connector, self._settings)
        async with self._opener.open() as session:
            yield session


def _connector(settings: ClientSettings) -> Opener:
    from copaw.app.mcp.connect import Connector

    return Connector(settings)


class _Unusable:
    """For settings that cannot be used."""

    last_words = ""

    def __init__(self, error: BadInput) -> None:
        self._error = error

    def open(self) -> AbstractAsyncContextManager[Session]:
        raise BadInput(self._error.message, field=self._error.field)
