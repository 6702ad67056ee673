"""The agents there are. The id in the path may be that of a disabled agent."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from copaw.app import agent_admin, agent_switch
from copaw.app.agent_admin import AgentSummary, CreateAgentRequest
from copaw.app.routers.bodies import StorableJson, part_of
from copaw.app.routers.deps import ServicesDep
from copaw.app.routers.revisions import ExpectedRevision, tell_revision
from copaw.app.utils import schedule_agent_reload
from copaw.config.models import AgentProfileConfig, AgentProfileRef
from copaw.ports import Json

router = APIRouter(tags=["agents"], dependencies=[StorableJson])


class AgentListResponse(BaseModel):
    agents: list[AgentSummary]


class ReorderAgentsRequest(BaseModel):
    agent_ids: list[str]


class ToggleAgentRequest(BaseModel):
    enabled: bool


@router.get("/agents", response_model_exclude_none=True)
async def list_agents(services: ServicesDep) -> AgentListResponse:
    return AgentListResponse(agents=agent_admin.summaries(services.config))


@router.post("/agents", status_code=201)
async def create_agent(
    body: CreateAgentRequest, request: Request, response: Response, services: ServicesDep
) -> AgentProfileRef:
    ref = await agent_admin.create_agent(services, body)
    schedule_agent_reload(request, ref.id, response)
    return ref


@router.put("/agents/order")
async def reorder_agents(body: ReorderAgentsRequest, services: ServicesDep) -> Json:
    await agent_admin.reorder_agents(services.config, body.agent_ids)
    return {"success": True, "agent_ids": body.agent_ids}


@router.get("/agents/{agentId}")
async def get_agent(agentId: str, response: Response, services: ServicesDep) -> AgentProfileConfig:
    profile = agent_admin.profile_of(services.config, agentId)
    tell_revision(response, services.config.revision(agentId))
    return profile


@router.put("/agents/{agentId}", openapi_extra=part_of(AgentProfileConfig))
async def update_agent(
    agentId: str,
    body: dict[str, Any],
    request: Request,
    response: Response,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> AgentProfileConfig:
    profile = await agent_admin.update_agent(services.config, agentId, body, expected_revision=revision)
    if services.config.ref(agentId).enabled:
        schedule_agent_reload(request, agentId, response)
    return profile


@router.delete("/agents/{agentId}")
async def delete_agent(agentId: str, services: ServicesDep, delete_workspace: bool = False) -> Json:
    await agent_switch.delete_agent(services, agentId, delete_workspace=delete_workspace)
    return {"success": True, "agent_id": agentId, **({"workspace_deleted": True} if delete_workspace else {})}


@router.patch("/agents/{agentId}/toggle")
async def toggle_agent(
    agentId: str, body: ToggleAgentRequest, request: Request, response: Response, services: ServicesDep
) -> Json:
    await agent_switch.switch_agent(services, agentId, body.enabled)
    if body.enabled:
        schedule_agent_reload(request, agentId, response)
    return {"success": True, "agent_id": agentId, "enabled": body.enabled}
