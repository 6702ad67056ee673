"""Models of OpenAI-compatible providers: agentscope's chat model behind our clients, retries and limits."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from agentscope.model import ChatModelBase, ChatResponse, OpenAIChatModel

from copaw.errors import ModelError
from copaw.providers.limits import LLMLimits
from copaw.providers.models import ProviderInfo
from copaw.providers.pool import ClientPool, Endpoint, PooledClient
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.retry import stream_with_retry

_NOT_IN_A_NAME = re.compile(r"[\s<|\\/>]+")


@dataclass(frozen=True, slots=True)
class CallSettings:
    """A provider's settings at the moment of a call."""

    info: ProviderInfo
    endpoint: Endpoint
    generate_kwargs: dict[str, Any]


class PooledOpenAIChatModel(ChatModelBase):  # type: ignore[misc]
    """An agentscope chat model that owns no HTTP client.

    Each call asks for the provider's settings anew, so that a changed key counts at once, without a reload.
    With ``stream`` the call answers an async generator that does nothing until it is read; closing it, or
    cancelling its reader, closes the HTTP stream.

    :param settings: raises :class:`ModelNotConfigured` if the model cannot be called.
    """

    def __init__(
        self,
        model_name: str,
        *,
        settings: Callable[[], CallSettings],
        pool: ClientPool,
        gate: ProviderGate,
        limits: LLMLimits,
        stream: bool = True,
    ) -> None:
        super().__init__(model_name, stream)
        self._settings = settings
        self._pool = pool
        self._gate = gate
        self._limits = limits
        self._last: OpenAIChatModel | None = None

    async def __call__(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        tool_choice: str | None = None,
        structured_model: type[Any] | None = None,
        **kwargs: Any,
    ) -> ChatResponse | AsyncGenerator[ChatResponse, None]:
        """Ask the model. :raises ModelError: at the call, or while the stream is read."""
        call = {
            "messages": [_valid_name(message) for message in messages],
            "tools": tools,
            "tool_choice": tool_choice,
            "structured_model": structured_model,
            **kwargs,
        }
        chunks = self._retried(call, stream=self.stream)
        if self.stream:
            return chunks
        async with aclosing(chunks):
            async for response in chunks:
                return response
        raise ModelError(f"Model '{self.model_name}' gave an empty answer. Send the message again.")

    def _retried(self, call: dict[str, Any], *, stream: bool) -> AsyncGenerator[ChatResponse, None]:
        settings = self._settings()
        return stream_with_retry(
            lambda: self._chunks(settings, call, stream=stream),
            gate=self._gate,
            limits=self._limits,
            info=settings.info,
            model=self.model_name,
        )

    async def _chunks(
        self, settings: CallSettings, call: dict[str, Any], *, stream: bool
    ) -> AsyncGenerator[ChatResponse, None]:
        async with self._pool.lease(settings.endpoint) as client:
            answer = await self._inner(client, settings, stream=stream)(**call)
            if not isinstance(answer, AsyncGenerator):
                yield answer
                return
            async with aclosing(answer):
                async for chunk in answer:
                    yield chunk

    def _inner(self, client: PooledClient, settings: CallSettings, *, stream: bool) -> OpenAIChatModel:
        """agentscope's model around ``client``. Kept while nothing changes: it remembers what the provider lacks."""
        last = self._last
        kwargs = settings.generate_kwargs
        if last is None or last.client is not client.openai or last.stream != stream or last.generate_kwargs != kwargs:
            last = OpenAIChatModel(
                self.model_name,
                api_key=settings.endpoint.api_key or "none",
                stream=stream,
                # It insists on a client of its own; sharing the connections makes that an empty shell.
                client_kwargs={"base_url": settings.endpoint.base_url, "http_client": client.http},
                generate_kwargs=kwargs,
            )
            last.client = client.openai
            self._last = last
        return last


def _valid_name(message: dict[str, Any]) -> dict[str, Any]:
    """Providers refuse white space and some signs in ``name``; agents may be called anything."""
    name = message.get("name")
    if not name or not _NOT_IN_A_NAME.search(name):
        return message
    return {**message, "name": _NOT_IN_A_NAME.sub("_", name)}
