"""The tools of one agent. Every change reloads it."""

from typing import Annotated

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel

from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.routers.revisions import tell_revision
from copaw.ports import Json

router = APIRouter(prefix="/tools", tags=["tools"], dependencies=[StorableJson])


class ToolInfo(BaseModel):
    """A tool with an agent's settings of it. ``available`` is false for one that this version does not have."""

    name: str
    enabled: bool
    description: str = ""
    async_execution: bool = False
    icon: str = "🔧"
    available: bool = True


@router.get("", response_model=list[ToolInfo])
async def list_tools(agent_id: AgentId, response: Response, services: ServicesDep) -> list[Json]:
    """The built-in tools, in the order in which agents have them."""
    tell_revision(response, services.config.revision(agent_id))
    return services.tools.shown(agent_id)


@router.patch("/{tool_name}/toggle", response_model=ToolInfo)
async def toggle_tool(agent_id: AgentId, tool_name: str, reload: ReloadAgent, services: ServicesDep) -> Json:
    """Switch a tool on or off."""
    tool = await services.tools.toggle(agent_id, tool_name)
    reload()
    return tool


@router.patch("/{tool_name}/async-execution", response_model=ToolInfo)
async def set_async_execution(
    agent_id: AgentId,
    tool_name: str,
    async_execution: Annotated[bool, Body(embed=True)],
    reload: ReloadAgent,
    services: ServicesDep,
) -> Json:
    """Let the calls of a tool run in the background, or not."""
    tool = await services.tools.set_async(agent_id, tool_name, async_execution)
    reload()
    return tool
