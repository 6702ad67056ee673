"""When one agent wakes up by itself. A change counts at once and reloads nothing."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from pydantic import ValidationError

from copaw.app.crons.heartbeat import check_heartbeat
from copaw.app.crons.models import CronJobState
from copaw.app.crons.wiring import heartbeat_of
from copaw.app.patching import patched
from copaw.app.routers.bodies import StorableJson, part_of
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.revisions import ExpectedRevision, tell_revision
from copaw.config.models import AgentProfileConfig, HeartbeatConfig
from copaw.config.problems import input_error
from copaw.ports import Json

router = APIRouter(tags=["config"], dependencies=[StorableJson])


@router.get("/config/heartbeat")
async def get_heartbeat(agent_id: AgentId, response: Response, services: ServicesDep) -> HeartbeatConfig:
    heartbeat = heartbeat_of(services.config, agent_id)
    tell_revision(response, services.config.revision(agent_id))
    return heartbeat


@router.get("/config/heartbeat/state")
async def get_heartbeat_state(agent_id: AgentId, services: ServicesDep) -> CronJobState:
    """When it wakes up next, and what came of the last time."""
    return await services.crons.of(agent_id).heartbeat_state()


@router.put("/config/heartbeat", openapi_extra=part_of(HeartbeatConfig))
async def update_heartbeat(
    agent_id: AgentId, body: dict[str, Any], services: ServicesDep, revision: ExpectedRevision
) -> HeartbeatConfig:
    """Change the fields that are sent."""
    config = services.config
    await asyncio.to_thread(_check, heartbeat_of(config, agent_id), body, config.root.user_timezone)

    def change(profile: AgentProfileConfig) -> None:
        profile.heartbeat = patched(profile.heartbeat or heartbeat_of(config, agent_id), body)

    await config.patch_agent(agent_id, change, expected_revision=revision)
    await services.crons.of(agent_id).heartbeat_changed()
    return heartbeat_of(config, agent_id)


def _check(heartbeat: HeartbeatConfig, patch: Json, timezone: str) -> None:
    try:
        check_heartbeat(patched(heartbeat, patch), timezone)
    except ValidationError as error:
        raise input_error(error) from error
