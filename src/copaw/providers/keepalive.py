"""Let a connection be used again after an event stream.

The OpenAI client stops reading at ``[DONE]``, before the few bytes that end the response; a response that was
not read to its end costs the connection, and so each call a new TCP and TLS handshake. Here, closing a stream
that has said ``[DONE]`` reads those bytes first. A stream that is closed earlier loses its connection at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

_DONE = b"[DONE]"
_TAIL_BYTES = 32
_END_TIMEOUT_S = 0.2


async def keep_after_done(response: httpx.Response) -> None:
    """A response hook for :class:`httpx.AsyncClient`."""
    stream = response.stream
    if isinstance(stream, httpx.AsyncByteStream) and "text/event-stream" in response.headers.get("content-type", ""):
        response.stream = _EventStream(stream)


class _EventStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream
        self._chunks = aiter(stream)
        self._tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
            yield chunk

    async def aclose(self) -> None:
        try:
            if self._tail.rstrip().endswith(_DONE):
                with suppress(TimeoutError, httpx.HTTPError):
                    async with asyncio.timeout(_END_TIMEOUT_S):
                        async for _ in self._chunks:
                            pass
        finally:
            await self._stream.aclose()
