"""Which protocol a provider speaks, and what belongs to it. Imports the HTTP client."""

from __future__ import annotations

from collections.abc import Callable

from agentscope.formatter import FormatterBase

from copaw.providers.anthropic_format import AnthropicFormatter
from copaw.providers.anthropic_wire import AnthropicWire
from copaw.providers.conversation import Senses
from copaw.providers.gemini_format import GeminiFormatter
from copaw.providers.gemini_wire import GeminiWire
from copaw.providers.models import ModelInfo, ProviderInfo
from copaw.providers.openai_format import OpenAIFormatter
from copaw.providers.openai_wire import OpenAIWire
from copaw.providers.provider_model import Wire

_THINKS_ON = ("deepseek", "kimi-cn", "kimi-intl")
"""Providers that want to see again what a model thought before the calls of this turn."""


def wire_of(info: ProviderInfo) -> Wire:
    """A wire for one model of a provider."""
    match info.chat_model:
        case "AnthropicChatModel":
            return AnthropicWire()
        case "GeminiChatModel":
            return GeminiWire()
        case _:
            return OpenAIWire()


def formatter_of(info: ProviderInfo, senses: Callable[[], Senses] = Senses) -> FormatterBase:
    """The formatter for the messages to a provider."""
    match info.chat_model:
        case "AnthropicChatModel":
            return AnthropicFormatter(senses)
        case "GeminiChatModel":
            return GeminiFormatter(senses)
        case _:
            return OpenAIFormatter(senses, thinks_on=info.id in _THINKS_ON)


def senses_of(model: ModelInfo | None) -> Senses:
    """What a model takes as far as is known. Images are sent unless it is known that it does not see them."""
    if model is None:
        return Senses(video=False)
    return Senses(image=model.supports_image is not False, video=model.supports_video is True)


def address_of(info: ProviderInfo) -> str:
    """Where the protocol begins: people give addresses with and without the version."""
    address = info.base_url.rstrip("/")
    match info.chat_model:
        case "AnthropicChatModel":
            return address.removesuffix("/v1")
        case "GeminiChatModel":
            return address.removesuffix("/v1beta")
        case _:
            return f"{address}/v1" if info.id == "ollama" and not address.endswith("/v1") else address
