"""Which model is chosen, for everybody or for one agent."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel

from copaw.app.patching import patched
from copaw.app.services import Services
from copaw.config.models import AgentProfileConfig, AgentsLLMRoutingConfig, ModelSlotConfig
from copaw.errors import BadInput, NotFound
from copaw.ports import Json
from copaw.providers.models import DEMO_PROVIDER_ID

Scope = Literal["effective", "global", "agent"]


class ActiveModelsInfo(BaseModel):
    """The chosen model; ``null`` if none was chosen."""

    active_llm: ModelSlotConfig | None


def active_model(services: Services, scope: Scope, agent_id: str) -> ActiveModelsInfo:
    """What is chosen for everybody (``global``) or for an agent, or what that agent really uses (``effective``).

    :param agent_id: not looked at for ``global``.
    :raises AgentNotFound, ConfigFileError: the agent's configuration cannot be read.
    """
    if scope == "global":
        chosen = services.providers.active()
        return ActiveModelsInfo(active_llm=_slot(chosen.provider_id, chosen.model) if chosen else None)
    profile = services.config.agent(agent_id)
    own = profile.active_model
    if scope == "agent":
        return ActiveModelsInfo(active_llm=own if own is not None and own.provider_id and own.model else None)
    used, *_ = services.providers.routes(own, profile.llm_routing, services.config.root.agents.llm_routing)
    if used.provider_id == DEMO_PROVIDER_ID and own is None and services.providers.active() is None:
        # Nobody chose the demo model: clients ask for a model when they hear that there is none.
        return ActiveModelsInfo(active_llm=None)
    return ActiveModelsInfo(active_llm=_slot(used.provider_id, used.model))


async def choose_global(services: Services, provider_id: str, model: str) -> ActiveModelsInfo:
    """Choose the model of agents that name none. :raises NotFound, BadInput: it cannot be used."""
    slot = await asyncio.to_thread(services.providers.set_active, provider_id, model)
    return ActiveModelsInfo(active_llm=_slot(slot.provider_id, slot.model))


async def choose_for_agent(services: Services, agent_id: str, provider_id: str, model: str) -> ActiveModelsInfo:
    """Choose the model of one agent. :raises NotFound, BadInput: the agent or the model cannot be used."""
    services.config.ref(agent_id)
    slot = services.providers.check(provider_id, model)

    def change(profile: AgentProfileConfig) -> None:
        profile.active_model = _slot(slot.provider_id, slot.model)

    await services.config.patch_agent(agent_id, change)
    return active_model(services, "agent", agent_id)


def _slot(provider_id: str, model: str) -> ModelSlotConfig:
    return ModelSlotConfig(provider_id=provider_id, model=model)


async def choose_routing(
    services: Services, agent_id: str, patch: Json, *, expected_revision: int | None = None
) -> AgentsLLMRoutingConfig:
    """Change the fields of an agent's routing that ``patch`` names.

    :raises BadInput: the result is not valid, or a model that it would use cannot be called; ``field`` names it.
    """

    def change(profile: AgentProfileConfig) -> None:
        routing = patched(profile.llm_routing, patch)
        if routing.enabled:
            _check_routing(services, routing)
        profile.llm_routing = routing

    await services.config.patch_agent(agent_id, change, expected_revision=expected_revision)
    return services.config.agent(agent_id).llm_routing


def _check_routing(services: Services, routing: AgentsLLMRoutingConfig) -> None:
    if not routing.local.provider_id and not routing.local.model:
        raise BadInput("local: choose a model before you switch routing on.", field="local")
    for name, slot in (("local", routing.local), ("cloud", routing.cloud)):
        if slot is None or not (slot.provider_id or slot.model):
            continue
        try:
            services.providers.check(slot.provider_id, slot.model)
        except NotFound as error:
            raise BadInput(f"{name}.provider_id: {error.message}", field=f"{name}.provider_id") from error
        except BadInput as error:
            raise BadInput(f"{name}.{error.field}: {error.message}", field=f"{name}.{error.field}") from error
