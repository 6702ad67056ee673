"""HTTP clients of the providers: one for each provider's address and key, shared by every agent.

A client that is replaced is closed when the last call that uses it ends, by a task the pool owns, so that
a cancelled call never has to wait for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copaw.errors import LifecycleBug

if TYPE_CHECKING:
    import httpx
    from openai import AsyncOpenAI

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to call a provider. :param base_url: ends before ``/chat/completions``."""

    provider_id: str
    base_url: str
    api_key: str

    @property
    def digest(self) -> str:
        """Tells one configuration from another without showing the key."""
        return hashlib.sha256(f"{self.base_url}\n{self.api_key}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class PooledClient:
    """A client and the connections it uses. Closing ``openai`` closes both."""

    openai: AsyncOpenAI
    http: httpx.AsyncClient


@dataclass(slots=True, eq=False)
class _Entry:
    digest: str
    client: PooledClient
    calls: int = 0
    retired: bool = False
    closing: bool = False


class ClientPool:
    """Leases clients. Create it and use it in one event loop."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._creating = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def lease(self, endpoint: Endpoint) -> AsyncIterator[PooledClient]:
        """The client for ``endpoint`` for the time of one call; it stays open at least that long.

        :raises LifecycleBug: the pool is closed.
        """
        entry = await self._entry(endpoint)
        entry.calls += 1
        try:
            yield entry.client
        finally:
            entry.calls -= 1
            self._close_if_unused(endpoint.provider_id, entry)

    def retire(self, provider_id: str) -> None:
        """Give up a provider's client: it closes when no call uses it any more."""
        entry = self._entries.pop(provider_id, None)
        if entry is not None:
            entry.retired = True
            self._close_if_unused(provider_id, entry)

    def statistics(self) -> dict[str, int]:
        """Calls under way by provider id."""
        return {provider_id: entry.calls for provider_id, entry in self._entries.items()}

    async def aclose(self) -> None:
        """Close every client, wait for those that are closing, and lease no more."""
        async with self._creating:
            self._closed = True
        for provider_id, entry in self._entries.items():
            self._close(provider_id, entry)
        self._entries.clear()
        while self._closing:
            await asyncio.gather(*self._closing)

    async def _entry(self, endpoint: Endpoint) -> _Entry:
        async with self._creating:
            if self._closed:
                raise LifecycleBug("The model clients are closed; no call can be made any more.")
            entry = self._entries.get(endpoint.provider_id)
            if entry is None or entry.digest != endpoint.digest:
                # Reading the trusted certificates takes tens of milliseconds.
                client = await asyncio.to_thread(_make_client, endpoint)
                self.retire(endpoint.provider_id)
                entry = self._entries[endpoint.provider_id] = _Entry(endpoint.digest, client)
            return entry

    def _close_if_unused(self, provider_id: str, entry: _Entry) -> None:
        if entry.retired and not entry.calls:
            self._close(provider_id, entry)

    def _close(self, provider_id: str, entry: _Entry) -> None:
        if not entry.closing:
            entry.closing = True
            task = asyncio.create_task(entry.client.openai.close(), name=f"close-model-client:{provider_id}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _make_client(endpoint: Endpoint) -> PooledClient:
    import httpx
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    from copaw.providers.keepalive import keep_after_done

    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    http = DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"response": [keep_after_done]})
    openai = AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",  # some local servers need none, the client needs something
        max_retries=0,  # retries are ours: they must respect the provider's gate
        timeout=timeout,
        http_client=http,
    )
    return PooledClient(openai, http)
