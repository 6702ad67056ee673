"""Trying out providers and models, and keeping what was found out."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from copaw.app.services import Services
from copaw.errors import NotFound
from copaw.providers.models import ModelInfo, ProviderInfo

if TYPE_CHECKING:
    from copaw.providers.checks import ProviderChecks


ChatModelName = Literal["OpenAIChatModel", "AnthropicChatModel", "GeminiChatModel"]


class TestConnectionResponse(BaseModel):
    success: bool
    message: str


class DiscoverModelsResponse(BaseModel):
    """:param added_count: how many of the models the provider did not have yet."""

    success: bool
    models: list[ModelInfo] = Field(default_factory=list)
    message: str = ""
    added_count: int = 0


class ProbeMultimodalResponse(BaseModel):
    supports_image: bool = False
    supports_video: bool = False
    supports_multimodal: bool = False
    image_message: str = ""
    video_message: str = ""


class ProviderDraft(BaseModel):
    """Settings to try before they are saved; what is missing is as it is saved."""

    api_key: str | None = None
    base_url: str | None = None
    chat_model: ChatModelName | None = None


async def check_provider(services: Services, provider_id: str, draft: ProviderDraft | None) -> TestConnectionResponse:
    """Whether a provider answers, with settings as in ``draft``. :raises NotFound: there is none."""
    info = _drafted(services, provider_id, draft)
    checked = await (await _checks(services)).provider(info)
    return TestConnectionResponse(success=checked.success, message=checked.message)


async def check_model(services: Services, provider_id: str, model_id: str) -> TestConnectionResponse:
    """Whether a model answers; it need not be known yet. :raises NotFound: there is no such provider."""
    info = services.providers.get(provider_id)
    checked = await (await _checks(services)).model(info, model_id)
    return TestConnectionResponse(success=checked.success, message=checked.message)


async def discover(services: Services, provider_id: str, draft: ProviderDraft | None) -> DiscoverModelsResponse:
    """Ask a provider for its models, and add those it does not have yet. :raises NotFound: there is none."""
    found = await (await _checks(services)).discover(_drafted(services, provider_id, draft))
    added = await asyncio.to_thread(services.providers.add_models, provider_id, found.models) if found.models else 0
    return DiscoverModelsResponse(success=found.success, models=found.models, message=found.message, added_count=added)


async def probe_multimodal(services: Services, provider_id: str, model_id: str) -> ProbeMultimodalResponse:
    """Find out what a model sees, and keep it. :raises NotFound: there is no such provider or model."""
    info = services.providers.get(provider_id)
    if info.model(model_id) is None:
        raise NotFound(
            f"Provider '{provider_id}' has no model '{model_id}'. Known: {', '.join(info.model_ids()) or 'none'}."
        )
    checks = await _checks(services)
    image, video = await asyncio.gather(checks.sees(info, model_id, "image"), checks.sees(info, model_id, "video"))
    if image.able is not None or video.able is not None:
        await asyncio.to_thread(
            services.providers.learn_senses, provider_id, model_id, image=image.able, video=video.able
        )
    return ProbeMultimodalResponse(
        supports_image=bool(image.able),
        supports_video=bool(video.able),
        supports_multimodal=bool(image.able or video.able),
        image_message=image.message,
        video_message=video.message,
    )


def _drafted(services: Services, provider_id: str, draft: ProviderDraft | None) -> ProviderInfo:
    info = services.providers.get(provider_id)
    values = draft.model_dump(exclude_none=True) if draft is not None else {}
    return services.providers.with_settings(info, **values) if values else info


async def _checks(services: Services) -> ProviderChecks:
    registry = services.models()
    await asyncio.to_thread(_load)
    from copaw.providers.checks import ProviderChecks, check_timeout_s

    return ProviderChecks(registry.transport(), check_timeout_s(os.environ))


def _load() -> None:
    import copaw.providers.checks  # noqa: F401 - the engine takes a moment to import; the loop goes on meanwhile
