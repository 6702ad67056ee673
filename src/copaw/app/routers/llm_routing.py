"""Choosing between a local and a cloud model, for one agent. Every change reloads it."""

from typing import Any

from fastapi import APIRouter, Response

from copaw.app import model_choice
from copaw.app.routers.bodies import StorableJson, part_of
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.routers.revisions import ExpectedRevision, tell_revision
from copaw.config.models import AgentsLLMRoutingConfig

router = APIRouter(tags=["config"], dependencies=[StorableJson])


@router.get("/config/agents/llm-routing")
async def get_llm_routing(agent_id: AgentId, response: Response, services: ServicesDep) -> AgentsLLMRoutingConfig:
    routing = services.config.agent(agent_id).llm_routing
    tell_revision(response, services.config.revision(agent_id))
    return routing


@router.put("/config/agents/llm-routing", openapi_extra=part_of(AgentsLLMRoutingConfig))
async def set_llm_routing(
    agent_id: AgentId,
    body: dict[str, Any],
    reload: ReloadAgent,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> AgentsLLMRoutingConfig:
    """Change the fields that are sent."""
    routing = await model_choice.choose_routing(services, agent_id, body, expected_revision=revision)
    reload()
    return routing
