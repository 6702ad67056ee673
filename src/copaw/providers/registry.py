"""From a model slot to a model that can be called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from copaw.errors import LifecycleBug, ModelNotConfigured, NotFound
from copaw.providers.answer import Usage
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.models import DEMO_PROVIDER_ID, ModelInfo, ProviderInfo
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.store import ProviderStore

if TYPE_CHECKING:
    from agentscope.formatter import FormatterBase

    from copaw.providers.chat_model import ChatModel
    from copaw.providers.provider_model import CallSettings
    from copaw.providers.transport import Transport

Recorder = Callable[[ModelSlot, Usage], None]


def _nobody(_slot: ModelSlot, _usage: Usage) -> None:
    """Records nothing."""


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
        self._closed = False
        self._gates: dict[str, ProviderGate] = {}

    async def chat_model(self, slot: ModelSlot, limits: LLMLimits, record: Recorder = _nobody) -> BoundModel:
        """A model to call. Cheap once the libraries are loaded. Later changes in the store count at the next call.

        :param record: told of the tokens of each call.
        :raises ModelNotConfigured: the provider is unknown, lacks a key or an address. The message says
            what to do.
        """
        if slot.provider_id == DEMO_PROVIDER_ID:
            return await asyncio.to_thread(_demo_model, slot)
        self._usable(slot)  # complain before the client is loaded
        await asyncio.to_thread(load_client)
        return self._provider_model(slot, limits, record)

    async def routed_model(
        self, slots: Sequence[ModelSlot], limits: LLMLimits, record: Recorder = _nobody
    ) -> BoundModel:
        """The first of ``slots``, with the others to answer in its place; see :class:`RoutedModel`.

        One that has others behind it is asked once, so that these need not wait for its retries.

        :raises ModelNotConfigured: none of them can be called; the message is about the last.
        """
        if len(slots) == 1:
            return await self.chat_model(slots[0], limits, record)
        once = replace(limits, retry_enabled=False)
        binds = [partial(self.chat_model, slot, once, record) for slot in slots[:-1]]
        binds.append(partial(self.chat_model, slots[-1], limits, record))
        await _any_of(binds)
        from copaw.providers.routing import RoutedModel, Unformatted

        return BoundModel(slots[0], RoutedModel(slots, binds), Unformatted())

    async def transcribe(self, provider_id: str, model: str, path: Path) -> str:
        """What is said in a sound file.

        :raises ModelNotConfigured: the provider cannot be called; the message says what to do.
        :raises ModelError: the call failed.
        """
        info = self._usable(ModelSlot(provider_id, model))
        await asyncio.to_thread(load_client)
        from copaw.providers.protocols import address_of
        from copaw.providers.transcription import transcribe

        return await transcribe(self.transport(), info, address_of(info), model, path)

    def statistics(self) -> dict[str, int]:
        """Calls under way by provider id."""
        return {provider_id: gate.active for provider_id, gate in self._gates.items()}

    async def aclose(self) -> None:
        """Close every connection. Calls under way fail."""
        self._closed = True
        if self._transport is not None:
            await self._transport.aclose()

    def _provider_model(self, slot: ModelSlot, limits: LLMLimits, record: Recorder) -> BoundModel:
        from copaw.providers.protocols import formatter_of, senses_of, wire_of
        from copaw.providers.provider_model import ProviderChatModel

        info = self._usable(slot)
        model = ProviderChatModel(
            slot.model,
            wire=wire_of(info),
            settings=lambda: self._settings(slot),
            transport=self.transport(),
            gate=self._gates.setdefault(slot.provider_id, ProviderGate(slot.provider_id)),
            limits=limits,
            record=partial(record, slot),
        )
        return BoundModel(slot, model, formatter_of(info, lambda: senses_of(self._known(slot))))

    def transport(self) -> Transport:
        """The connections. :raises LifecycleBug: they are closed."""
        from copaw.providers.transport import Transport

        if self._closed:
            raise LifecycleBug("The model clients are closed; no call can be made any more.")
        self._transport = self._transport or Transport()
        return self._transport

    def _known(self, slot: ModelSlot) -> ModelInfo | None:
        try:
            return self._store.get(slot.provider_id).model(slot.model)
        except NotFound:
            return None

    def _settings(self, slot: ModelSlot) -> CallSettings:
        from copaw.providers.protocols import address_of
        from copaw.providers.provider_model import CallSettings

        info = self._usable(slot)
        return CallSettings.of(info, address_of(info), slot.model)

    def _usable(self, slot: ModelSlot) -> ProviderInfo:
        try:
            info = self._store.get(slot.provider_id)
        except NotFound as error:
            raise ModelNotConfigured(f"{error.message} Choose a model with `copaw models set-llm`.") from error
        broken = self._store.problems().get(info.id)
        if broken is not None:
            raise ModelNotConfigured(f"The settings of provider '{info.id}' cannot be used: {broken}") from broken
        if not info.base_url:
            raise ModelNotConfigured(
                f"Provider '{info.id}' has no address yet. Set its base URL with `copaw models config-key {info.id}`."
            )
        if info.require_api_key and not info.api_key:
            raise ModelNotConfigured(
                f"Provider '{info.id}' has no API key yet. Set one with `copaw models config-key {info.id}`."
            )
        return info


async def _any_of(binds: Sequence[Callable[[], Awaitable[BoundModel]]]) -> None:
    for place, bind in enumerate(binds):
        try:
            await bind()
        except ModelNotConfigured:
            if place == len(binds) - 1:
                raise
        else:
            return


def load_client() -> None:
    """Importing the HTTP client takes a tenth of a second. Blocking."""
    import copaw.providers.protocols  # noqa: F401 - to have it in memory


def _demo_model(slot: ModelSlot) -> BoundModel:
    from copaw.providers.conversation import Senses
    from copaw.providers.demo import DemoChatModel
    from copaw.providers.openai_format import OpenAIFormatter

    blind = Senses(image=False, audio=False, video=False)
    return BoundModel(slot, DemoChatModel(slot.model), OpenAIFormatter(lambda: blind))
