"""What is known of a model provider and its models, as files and HTTP clients see it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

DEMO_PROVIDER_ID = "demo"
DEMO_MODEL_ID = "demo"
OPENAI_CHAT_MODEL = "OpenAIChatModel"
CHAT_MODELS = (OPENAI_CHAT_MODEL, "AnthropicChatModel", "GeminiChatModel")
"""The wire protocols a provider may speak."""


class ModelInfo(BaseModel):
    """One model of a provider. ``None`` in a ``supports_*`` field means that nobody has found out yet."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    name: str
    supports_multimodal: bool | None = None
    supports_image: bool | None = None
    supports_video: bool | None = None
    probe_source: str | None = None
    generate_kwargs: dict[str, Any] = Field(default_factory=dict)


class ProviderInfo(BaseModel):
    """A provider with its settings. Never changed in place: make a copy with ``model_copy(update=...)``.

    :param models: what the provider is known to offer.
    :param extra_models: what the user added.
    :param generate_kwargs: sent with every request; a model's own win, ``None`` is not sent.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    name: str
    base_url: str = ""
    api_key: str = ""
    chat_model: str = OPENAI_CHAT_MODEL
    models: list[ModelInfo] = Field(default_factory=list)
    extra_models: list[ModelInfo] = Field(default_factory=list)
    api_key_prefix: str = ""
    is_local: bool = False
    freeze_url: bool = False
    require_api_key: bool = True
    is_custom: bool = False
    support_model_discovery: bool = False
    support_connection_check: bool = True
    generate_kwargs: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] = Field(default_factory=dict)

    def model(self, model_id: str) -> ModelInfo | None:
        """The model of that id, the user's before the built-in one; ``None`` if there is none."""
        return next((m for m in (*self.extra_models, *self.models) if m.id == model_id), None)

    def model_ids(self) -> list[str]:
        """Every known model, built-in ones first."""
        return [m.id for m in (*self.models, *self.extra_models)]

    def request_kwargs(self, model_id: str) -> dict[str, Any]:
        """What is sent with every request to ``model_id`` beside messages and tools."""
        model = self.model(model_id)
        merged = {**self.generate_kwargs, **(model.generate_kwargs if model else {})}
        return {name: value for name, value in merged.items() if value is not None}


@cache
def builtin_providers() -> tuple[ProviderInfo, ...]:
    """The providers that need only a key, in the order clients show them; the offline demo comes last."""
    text = resources.files(__package__).joinpath("builtin.json").read_text(encoding="utf-8")
    return tuple(TypeAdapter(list[ProviderInfo]).validate_json(text))
