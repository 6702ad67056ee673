"""From a model slot to a model that can be called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copaw.errors import ModelNotConfigured, NotFound
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.models import DEMO_PROVIDER_ID, OPENAI_CHAT_MODEL, ProviderInfo
from copaw.providers.pool import ClientPool, Endpoint
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.store import ProviderStore

if TYPE_CHECKING:
    from agentscope.formatter import FormatterBase
    from agentscope.model import ChatModelBase

    from copaw.providers.openai_chat import CallSettings


@dataclass(frozen=True, slots=True)
class BoundModel:
    """A model with the formatter for its messages. Holds nothing that must be closed."""

    slot: ModelSlot
    model: ChatModelBase
    formatter: FormatterBase


class ModelRegistry:
    """Makes models; owns the HTTP clients and the gates, which all agents and generations share.

    Use it in one event loop and end it with :meth:`aclose`.
    """

    def __init__(self, store: ProviderStore) -> None:
        self._store = store
        self._pool = ClientPool()
        self._gates: dict[str, ProviderGate] = {}

    async def chat_model(self, slot: ModelSlot, limits: LLMLimits, *, stream: bool = True) -> BoundModel:
        """A model to call. Cheap once the libraries are loaded. Later changes in the store count at the next call.

        :raises ModelNotConfigured: the provider is unknown, lacks a key or an address, or speaks a protocol
            that is not supported. The message says what to do.
        """
        if slot.provider_id == DEMO_PROVIDER_ID:
            return await asyncio.to_thread(_demo_model, slot, stream)
        gate = self._gates.setdefault(slot.provider_id, ProviderGate(slot.provider_id))
        return await asyncio.to_thread(self._openai_model, slot, gate, limits, stream)

    def statistics(self) -> dict[str, int]:
        """Calls under way by provider id."""
        return {provider_id: gate.active for provider_id, gate in self._gates.items()}

    async def aclose(self) -> None:
        """Close every client. Calls under way fail."""
        await self._pool.aclose()

    def _openai_model(self, slot: ModelSlot, gate: ProviderGate, limits: LLMLimits, stream: bool) -> BoundModel:
        self._settings(slot)  # complain now rather than at the first call
        from agentscope.formatter import OpenAIChatFormatter

        from copaw.providers.openai_chat import PooledOpenAIChatModel

        model = PooledOpenAIChatModel(
            slot.model,
            settings=lambda: self._settings(slot),
            pool=self._pool,
            gate=gate,
            limits=limits,
            stream=stream,
        )
        return BoundModel(slot, model, OpenAIChatFormatter())

    def _settings(self, slot: ModelSlot) -> CallSettings:
        from copaw.providers.openai_chat import CallSettings

        info = self._usable(slot)
        endpoint = Endpoint(info.id, _openai_address(info), info.api_key)
        return CallSettings(info, endpoint, info.request_kwargs(slot.model))

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


def _demo_model(slot: ModelSlot, stream: bool) -> BoundModel:
    from agentscope.formatter import OpenAIChatFormatter

    from copaw.providers.demo import DemoChatModel

    return BoundModel(slot, DemoChatModel(slot.model, stream=stream), OpenAIChatFormatter())


def _openai_address(info: ProviderInfo) -> str:
    """Ollama is configured without the path at which it speaks OpenAI's protocol."""
    address = info.base_url.rstrip("/")
    return f"{address}/v1" if info.id == "ollama" and not address.endswith("/v1") else address
