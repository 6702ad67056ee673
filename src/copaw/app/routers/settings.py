"""The user's time zone and the language of the console: one of each for the whole server."""

from fastapi import APIRouter
from pydantic import BaseModel

from copaw.app import server_settings
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep

router = APIRouter(tags=["config"], dependencies=[StorableJson])
server_router = APIRouter(prefix="/settings", tags=["settings"], dependencies=[StorableJson])


class Timezone(BaseModel):
    timezone: str


class Language(BaseModel):
    language: str


@router.get("/config/user-timezone")
async def get_timezone(agent_id: AgentId, services: ServicesDep) -> Timezone:
    return Timezone(timezone=services.config.root.user_timezone)


@router.put("/config/user-timezone")
async def set_timezone(agent_id: AgentId, body: Timezone, services: ServicesDep) -> Timezone:
    return Timezone(timezone=await server_settings.set_timezone(services, body.timezone))


@server_router.get("/language")
async def get_language(services: ServicesDep) -> Language:
    return Language(language=await server_settings.language(services))


@server_router.put("/language")
async def set_language(body: Language, services: ServicesDep) -> Language:
    return Language(language=await server_settings.set_language(services, body.language))
