"""Model providers, their models, and which model is used. Keys are masked in every answer.

A provider's settings are looked up at each call, so changing them reloads nobody; choosing another model or protocol
does.
"""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Field

from copaw.app import model_checks, model_choice
from copaw.app.model_checks import (
    ChatModelName,
    DiscoverModelsResponse,
    ProbeMultimodalResponse,
    ProviderDraft,
    TestConnectionResponse,
)
from copaw.app.model_choice import ActiveModelsInfo, Scope
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import ServicesDep
from copaw.app.services import Services
from copaw.app.utils import schedule_agent_reload
from copaw.errors import BadInput
from copaw.providers.models import ModelInfo, ProviderInfo
from copaw.providers.store import ProviderStore

router = APIRouter(tags=["models"], dependencies=[StorableJson])

AgentHeader = Annotated[str | None, Header(alias="X-Agent-Id", include_in_schema=False)]


class ProviderConfigRequest(BaseModel):
    api_key: str | None = None
    base_url: str | None = None
    chat_model: ChatModelName | None = None
    generate_kwargs: dict[str, Any] | None = None


class TestModelRequest(BaseModel):
    model_id: str


class CreateCustomProviderRequest(BaseModel):
    id: str
    name: str
    default_base_url: str = ""
    api_key_prefix: str = ""
    chat_model: ChatModelName = "OpenAIChatModel"
    models: list[ModelInfo] = Field(default_factory=list)


class AddModelRequest(BaseModel):
    id: str
    name: str


class ModelConfigRequest(BaseModel):
    generate_kwargs: dict[str, Any] | None = None


class ModelSlotRequest(BaseModel):
    provider_id: str
    model: str
    scope: Literal["global", "agent"]
    agent_id: str | None = None


@router.get("/models")
async def list_providers(services: ServicesDep) -> list[ProviderInfo]:
    return _public(services.providers)


@router.get("/models/active")
async def get_active_model(
    services: ServicesDep, scope: Scope = "effective", agent_id: str | None = None, x_agent_id: AgentHeader = None
) -> ActiveModelsInfo:
    named = agent_id or x_agent_id
    if scope == "agent":
        named = _named(named)
    return model_choice.active_model(services, scope, named or services.config.root.agents.active_agent)


@router.put("/models/active")
async def set_active_model(
    body: ModelSlotRequest, request: Request, response: Response, services: ServicesDep, x_agent_id: AgentHeader = None
) -> ActiveModelsInfo:
    if body.scope == "global":
        answer = await model_choice.choose_global(services, body.provider_id, body.model)
        _reload_everybody(request, services)
        return answer
    agent_id = _named(body.agent_id or x_agent_id)
    answer = await model_choice.choose_for_agent(services, agent_id, body.provider_id, body.model)
    if services.config.ref(agent_id).enabled:
        schedule_agent_reload(request, agent_id, response)
    return answer


@router.post("/models/custom-providers", status_code=201)
async def add_provider(body: CreateCustomProviderRequest, services: ServicesDep) -> ProviderInfo:
    info = await asyncio.to_thread(
        services.providers.add_custom,
        body.id,
        body.name,
        base_url=body.default_base_url,
        api_key_prefix=body.api_key_prefix,
        chat_model=body.chat_model,
        models=body.models,
    )
    return services.providers.public(info)


@router.delete("/models/custom-providers/{provider_id}")
async def remove_provider(provider_id: str, request: Request, services: ServicesDep) -> list[ProviderInfo]:
    await asyncio.to_thread(services.providers.remove_custom, provider_id)
    _reload_everybody(request, services)
    return _public(services.providers)


@router.put("/models/{provider_id}/config")
async def configure_provider(
    provider_id: str, body: ProviderConfigRequest, request: Request, services: ServicesDep
) -> ProviderInfo:
    spoken = services.providers.get(provider_id).chat_model
    info = await asyncio.to_thread(services.providers.configure, provider_id, **body.model_dump())
    if info.chat_model != spoken:
        _reload_everybody(request, services)
    return services.providers.public(info)


@router.post("/models/{provider_id}/models", status_code=201)
async def add_model(provider_id: str, body: AddModelRequest, services: ServicesDep) -> ProviderInfo:
    info = await asyncio.to_thread(services.providers.add_model, provider_id, body.id, body.name)
    return services.providers.public(info)


# ":path", because ids of models have slashes.
@router.delete("/models/{provider_id}/models/{model_id:path}")
async def remove_model(provider_id: str, model_id: str, services: ServicesDep) -> ProviderInfo:
    info = await asyncio.to_thread(services.providers.remove_model, provider_id, model_id)
    return services.providers.public(info)


@router.put("/models/{provider_id}/models/{model_id:path}/config")
async def configure_model(
    provider_id: str, model_id: str, body: ModelConfigRequest, services: ServicesDep
) -> ProviderInfo:
    info = await asyncio.to_thread(services.providers.configure_model, provider_id, model_id, body.generate_kwargs)
    return services.providers.public(info)


@router.post("/models/{provider_id}/test")
async def check_provider(
    provider_id: str, services: ServicesDep, body: ProviderDraft | None = None
) -> TestConnectionResponse:
    return await model_checks.check_provider(services, provider_id, body)


@router.post("/models/{provider_id}/discover")
async def discover_models(
    provider_id: str, services: ServicesDep, body: ProviderDraft | None = None
) -> DiscoverModelsResponse:
    return await model_checks.discover(services, provider_id, body)


@router.post("/models/{provider_id}/models/test")
async def check_model(provider_id: str, body: TestModelRequest, services: ServicesDep) -> TestConnectionResponse:
    return await model_checks.check_model(services, provider_id, body.model_id)


@router.post("/models/{provider_id}/models/{model_id:path}/probe-multimodal")
async def probe_model(provider_id: str, model_id: str, services: ServicesDep) -> ProbeMultimodalResponse:
    return await model_checks.probe_multimodal(services, provider_id, model_id)


def _public(providers: ProviderStore) -> list[ProviderInfo]:
    return [providers.public(info) for info in providers.list()]


def _named(agent_id: str | None) -> str:
    if not agent_id:
        raise BadInput("agent_id: say which agent's model is meant.", field="agent_id")
    return agent_id


def _reload_everybody(request: Request, services: Services) -> None:
    """The model an agent uses is part of its generation; one that this does not concern stays as it is."""
    for agent_id in services.config.agent_ids():
        if services.config.ref(agent_id).enabled:
            schedule_agent_reload(request, agent_id)
