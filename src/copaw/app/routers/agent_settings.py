"""Settings of one agent. Every change reloads it."""

from typing import Any

from fastapi import APIRouter, Response

from copaw.app import agent_settings
from copaw.app.routers.bodies import StorableJson, part_of
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.routers.revisions import ExpectedRevision, tell_revision
from copaw.config.models import AgentsRunningConfig
from copaw.ports import Json

router = APIRouter(tags=["agent"], dependencies=[StorableJson])


@router.get("/agent/running-config")
async def get_running_config(agent_id: AgentId, response: Response, services: ServicesDep) -> AgentsRunningConfig:
    running = services.config.agent(agent_id).running
    tell_revision(response, services.config.revision(agent_id))
    return running


@router.put("/agent/running-config", openapi_extra=part_of(AgentsRunningConfig))
async def update_running_config(
    agent_id: AgentId,
    body: dict[str, Any],
    reload: ReloadAgent,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> AgentsRunningConfig:
    running = await agent_settings.update_running(services.config, agent_id, body, expected_revision=revision)
    reload()
    return running


@router.get("/agent/system-prompt-files")
async def get_system_prompt_files(agent_id: AgentId, response: Response, services: ServicesDep) -> list[str]:
    names = services.config.agent(agent_id).system_prompt_files
    tell_revision(response, services.config.revision(agent_id))
    return names


@router.put("/agent/system-prompt-files")
async def set_system_prompt_files(
    agent_id: AgentId,
    body: list[str],
    reload: ReloadAgent,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> list[str]:
    names = await agent_settings.set_system_prompt_files(services.config, agent_id, body, expected_revision=revision)
    reload()
    return names


@router.get("/agent/language")
async def get_language(agent_id: AgentId, services: ServicesDep) -> Json:
    return {"language": services.config.agent(agent_id).language, "agent_id": agent_id}


@router.put("/agent/language")
async def set_language(agent_id: AgentId, body: dict[str, Any], reload: ReloadAgent, services: ServicesDep) -> Json:
    answer = await agent_settings.set_language(services, agent_id, body)
    reload()
    return answer
