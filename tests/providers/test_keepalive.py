from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from copaw.providers.keepalive import keep_after_done

pytestmark = pytest.mark.looptime


class Stream(httpx.AsyncByteStream):
    """Chunks, then optionally silence; knows whether it was read to its end."""

    def __init__(self, *chunks: bytes, silent: bool = False) -> None:
        self.chunks = chunks
        self.silent = silent
        self.ended = False
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.silent:
            await asyncio.Event().wait()
        self.ended = True

    async def aclose(self) -> None:
        self.closed = True


async def read_until(stream: Stream, end: bytes, content_type: str = "text/event-stream; charset=utf-8") -> None:
    response = httpx.Response(200, stream=stream, headers={"content-type": content_type})
    await keep_after_done(response)
    async for chunk in response.aiter_raw():
        if end in chunk:
            break
    await response.aclose()


async def test_a_stream_that_said_done_is_read_to_its_end() -> None:
    stream = Stream(b"data: 1\n\n", b"data: [DO", b"NE]\n\n")
    await read_until(stream, b"NE]")
    assert stream.ended
    assert stream.closed


async def test_a_stream_that_is_left_early_is_closed_at_once() -> None:
    stream = Stream(b"data: 1\n\n", b"data: [DONE]\n\n")
    await read_until(stream, b"1")
    assert not stream.ended
    assert stream.closed


async def test_a_provider_that_does_not_end_its_stream_holds_nobody() -> None:
    stream = Stream(b"data: [DONE]\n\n", silent=True)
    start = asyncio.get_running_loop().time()
    await read_until(stream, b"DONE")
    assert asyncio.get_running_loop().time() - start < 1
    assert stream.closed


async def test_other_answers_are_left_alone() -> None:
    stream = Stream(b"[DONE]", b"x")
    await read_until(stream, b"DONE", "application/json")
    assert not stream.ended
    assert stream.closed
