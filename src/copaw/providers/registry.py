"""From a model slot to a model that can be called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copaw.errors import ModelNotConfigured, NotFound
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.models import DEMO_PROVIDER_ID, OPENAI_CHAT_MODEL, ProviderInfo
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.store import ProviderStore

if TYPE_CHECKING:
    from agentscope.formatter import FormatterBase

    from copaw.providers.chat_model import ChatModel
    from copaw.providers.provider_model import CallSettings
    from copaw.providers.transport import Transport


@dataclass(frozen=True, slots=True)
class BoundModel:
    """A model with the formatter for its messages. Holds nothing that must be closed."""

    slot: ModelSlot
    model: ChatModel
    formatter: FormatterBase


class ModelRegistry:
    """Makes models; owns the connections and the gates, which all agents and generations share.

    Use it in one event loop and end it with :meth:`aclose`.
    """

    def __init__(self, store: ProviderStore) -> None:
        self._store = store
        self._transport: Transport | None = None
        self._gates: dict[str, ProviderGate] = {}

    async def chat_model(self, slot: ModelSlot, limits: LLMLimits) -> BoundModel:
        """A model to call. Cheap once the libraries are loaded. Later changes in the store count at the next call.

        :raises ModelNotConfigured: the provider is unknown, lacks a key or an address, or speaks a protocol
            that is not supported. The message says what to do.
        """
        if slot.provider_id == DEMO_PROVIDER_ID:
            return await asyncio.to_thread(_demo_model, slot)
        gate = self._gates.setdefault(slot.provider_id, ProviderGate(slot.provider_id))
        self._usable(slot)  # complain now rather than at the first call
        await asyncio.to_thread(_load_client)
        return self._provider_model(slot, gate, limits)

    def statistics(self) -> dict[str, int]:
        """Calls under way by provider id."""
        return {provider_id: gate.active for provider_id, gate in self._gates.items()}

    async def aclose(self) -> None:
        """Close every connection. Calls under way fail."""
        if self._transport is not None:
            await self._transport.aclose()

    def _provider_model(self, slot: ModelSlot, gate: ProviderGate, limits: LLMLimits) -> BoundModel:
        from copaw.providers.openai_wire import OpenAIWire
        from copaw.providers.provider_model import ProviderChatModel
        from copaw.providers.transport import Transport

        self._transport = self._transport or Transport()
        model = ProviderChatModel(
            slot.model,
            wire=OpenAIWire(),
            settings=lambda: self._settings(slot),
            transport=self._transport,
            gate=gate,
            limits=limits,
        )
        return BoundModel(slot, model, chat_formatter())

    def _settings(self, slot: ModelSlot) -> CallSettings:
        from copaw.providers.provider_model import CallSettings

        info = self._usable(slot)
        return CallSettings(info, _openai_address(info), info.request_kwargs(slot.model))

    def _usable(self, slot: ModelSlot) -> ProviderInfo:
        try:
            info = self._store.get(slot.provider_id)
        except NotFound as error:
            raise ModelNotConfigured(f"{error.message} Choose a model with `copaw models set-llm`.") from error
        broken = self._store.problems().get(info.id)
        if broken is not None:
            raise ModelNotConfigured(f"The settings of provider '{info.id}' cannot be used: {broken}") from broken
        if info.chat_model != OPENAI_CHAT_MODEL:
            raise ModelNotConfigured(
                f"Provider '{info.id}' speaks the protocol of {info.chat_model}, which this version does not support "
                "yet. Choose a model of an OpenAI-compatible provider with `copaw models set-llm`."
            )
        if not info.base_url:
            raise ModelNotConfigured(
                f"Provider '{info.id}' has no address yet. Set its base URL with `copaw models config-key {info.id}`."
            )
        if info.require_api_key and not info.api_key:
            raise ModelNotConfigured(
                f"Provider '{info.id}' has no API key yet. Set one with `copaw models config-key {info.id}`."
            )
        return info


def _load_client() -> None:
    """Importing the HTTP client takes a tenth of a second; the loop goes on meanwhile."""
    import copaw.providers.openai_wire  # noqa: F401 - to have it in memory


def _demo_model(slot: ModelSlot) -> BoundModel:
    from copaw.providers.demo import DemoChatModel

    return BoundModel(slot, DemoChatModel(slot.model), chat_formatter())


def chat_formatter() -> FormatterBase:
    """Messages as OpenAI's protocol has them."""
    from agentscope.formatter import OpenAIChatFormatter

    return OpenAIChatFormatter()


def _openai_address(info: ProviderInfo) -> str:
    """Ollama is configured without the path at which it speaks OpenAI's protocol."""
    address = info.base_url.rstrip("/")
    return f"{address}/v1" if info.id == "ollama" and not address.endswith("/v1") else address
