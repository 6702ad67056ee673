"""Which model an agent uses, and when it may use another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copaw.config.models.base import ConfigModel


class ModelSlotConfig(ConfigModel):
    """A model of a provider; empty means not chosen."""

    provider_id: str = ""
    model: str = ""


class AgentsLLMRoutingConfig(ConfigModel):
    """Choosing between a local and a cloud model. Without ``cloud`` the active model takes its place."""

    enabled: bool = False
    mode: Literal["local_first", "cloud_first"] = "local_first"
    local: ModelSlotConfig = Field(default_factory=ModelSlotConfig)
    cloud: ModelSlotConfig | None = None
