"""The user's environment variables, for what the server starts. A change counts for the next command at once."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request
from pydantic import BaseModel

from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import ServicesDep
from copaw.app.utils import schedule_all_reloads

router = APIRouter(prefix="/envs", tags=["envs"], dependencies=[StorableJson])


class EnvVar(BaseModel):
    key: str
    value: str


@router.get("")
async def list_envs(services: ServicesDep) -> list[EnvVar]:
    return _listed(await asyncio.to_thread(services.envs.load))


@router.put("")
async def replace_envs(body: dict[str, str], request: Request, services: ServicesDep) -> list[EnvVar]:
    variables = await asyncio.to_thread(services.envs.save, body)
    schedule_all_reloads(request)
    return _listed(variables)


@router.delete("/{key}")
async def delete_env(key: str, request: Request, services: ServicesDep) -> list[EnvVar]:
    variables = await asyncio.to_thread(services.envs.delete, key)
    schedule_all_reloads(request)
    return _listed(variables)


def _listed(variables: Mapping[str, str]) -> list[EnvVar]:
    return [EnvVar(key=name, value=value) for name, value in variables.items()]
