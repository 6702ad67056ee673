"""Which model is chosen, for everybody or for one agent."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel

from copaw.app.services import Services
from copaw.config.models import AgentProfileConfig, ModelSlotConfig
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
    own = services.config.agent(agent_id).active_model
    if scope == "agent":
        return ActiveModelsInfo(active_llm=own if own is not None and own.provider_id and own.model else None)
    used = services.providers.resolve(own)
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
