"""The MCP clients of one agent. Every change reloads it; clients that did not change are not touched."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, Field

from copaw.app.mcp import admin
from copaw.app.mcp.client import McpClient
from copaw.app.mcp.clients import clients_of
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.routers.revisions import tell_revision
from copaw.app.services import Services
from copaw.config.models import MCPClientConfig
from copaw.errors import Conflict, Unavailable
from copaw.ports import Json

router = APIRouter(prefix="/mcp", tags=["mcp"], dependencies=[StorableJson])

ANSWER_BOUND_S = 5.0
"""How long a request waits for a client that is connecting, in seconds."""


class MCPClientInfo(MCPClientConfig):
    """A client, with what it is doing."""

    key: str
    status: str
    since: float | None = None
    last_error: str | None = None
    tool_count: int = 0
    calls: int = 0
    sessions: int = 0
    retry_in: float | None = None


class MCPToolInfo(BaseModel):
    """A tool of a client."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=dict)


async def _info(services: Services, agent_id: str, key: str, config: MCPClientConfig) -> Json:
    client = await services.mcp.find(agent_id, key, config) if config.enabled else None
    return admin.shown(key, config, client)


@router.get("", response_model=list[MCPClientInfo])
async def list_clients(agent_id: AgentId, response: Response, services: ServicesDep) -> list[Json]:
    profile = services.config.agent(agent_id)
    found = await services.mcp.find_all(agent_id, profile)
    tell_revision(response, services.config.revision(agent_id))
    return [admin.shown(key, config, found[key]) for key, config in clients_of(profile).items()]


@router.post("", status_code=201, response_model=MCPClientInfo)
async def create_client(
    agent_id: AgentId,
    client_key: Annotated[str, Body()],
    client: Annotated[dict[str, Any], Body()],
    reload: ReloadAgent,
    services: ServicesDep,
) -> Json:
    config = await admin.create(services.config, agent_id, client_key, client)
    reload()
    return await _info(services, agent_id, client_key, config)


@router.get("/{client_key}", response_model=MCPClientInfo)
async def get_client(agent_id: AgentId, client_key: str, response: Response, services: ServicesDep) -> Json:
    config = admin.client_config(services.config.agent(agent_id), client_key)
    tell_revision(response, services.config.revision(agent_id))
    return await _info(services, agent_id, client_key, config)


@router.put("/{client_key}", response_model=MCPClientInfo)
async def update_client(
    agent_id: AgentId,
    client_key: str,
    body: dict[str, Any],
    reload: ReloadAgent,
    services: ServicesDep,
) -> Json:
    config = await admin.update(services.config, agent_id, client_key, body)
    reload()
    return await _info(services, agent_id, client_key, config)


@router.patch("/{client_key}/toggle", response_model=MCPClientInfo)
async def toggle_client(agent_id: AgentId, client_key: str, reload: ReloadAgent, services: ServicesDep) -> Json:
    config = await admin.toggle(services.config, agent_id, client_key)
    reload()
    return await _info(services, agent_id, client_key, config)


@router.delete("/{client_key}")
async def delete_client(
    agent_id: AgentId, client_key: str, reload: ReloadAgent, services: ServicesDep
) -> dict[str, str]:
    await admin.delete(services.config, agent_id, client_key)
    reload()
    return {"message": f"The MCP client '{client_key}' was deleted."}


@router.get("/{client_key}/tools", response_model=list[MCPToolInfo])
async def list_tools(agent_id: AgentId, client_key: str, services: ServicesDep) -> list[Json]:
    """The tools of a client. :raises Conflict: it is disabled. :raises Unavailable: it is not connected."""
    client = await _open_client(services, agent_id, client_key)
    await _settled(client)
    status = client.status()
    if not client.tools and status.state != "ready":
        raise Unavailable(
            f"The MCP client '{client_key}' is {status.state}: {status.last_error or 'it has not answered yet'}"
        )
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema} for tool in client.tools
    ]


@router.post("/{client_key}/restart", response_model=MCPClientInfo)
async def restart_client(agent_id: AgentId, client_key: str, services: ServicesDep) -> Json:
    """Close the connection of a client and open it again. Calls under way fail, those of other agents too."""
    client = await _open_client(services, agent_id, client_key)
    client.restart()
    await _settled(client)
    config = admin.client_config(services.config.agent(agent_id), client_key)
    return admin.shown(client_key, config, client)


async def _open_client(services: Services, agent_id: str, key: str) -> McpClient:
    config = admin.client_config(services.config.agent(agent_id), key)
    if not config.enabled:
        raise Conflict(f"The MCP client '{key}' is disabled. Enable it first.")
    client = await services.mcp.find(agent_id, key, config)
    if client is None:
        raise Unavailable(f"The MCP client '{key}' is not open yet; its agent is being reloaded.")
    return client


async def _settled(client: McpClient) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_BOUND_S):
            await client.wait_settled()
