"""Answers as they come over the network, right and wrong, read by the protocol of OpenAI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from copaw.errors import ModelError, ModelRateLimited
from copaw.providers.answer import Answer
from copaw.providers.limits import LLMLimits
from copaw.providers.models import ProviderInfo
from copaw.providers.openai_wire import OpenAIWire
from copaw.providers.provider_model import CallSettings, ProviderChatModel
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.transport import Transport
from copaw.testing.raw_http import LAST_CHUNK, RawServer, chunked, http, raw_server

HI = [{"role": "user", "content": "hi"}]
DONE = b"data: [DONE]\n\n"


def event(content: str = "", finish: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice], **members})}\n\n".encode()


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


def model(server: RawServer, transport: Transport, retries: int = 0) -> ProviderChatModel:
    info = ProviderInfo(id="p", name="P", base_url=server.url, api_key="sk-secret")
    return ProviderChatModel(
        "m",
        wire=OpenAIWire(),
        settings=lambda: CallSettings(info, server.url, {}),
        transport=transport,
        gate=ProviderGate("p"),
        limits=LLMLimits(max_retries=retries, backoff_base_s=0.001, rate_limit_pause_s=0.001, rate_limit_jitter_s=0),
    )


def text(answer: Answer) -> str:
    return "".join(block["text"] for block in answer.blocks())


async def read(model: ProviderChatModel, answer: Answer) -> None:
    async for heard in model.converse(HI):
        answer.add(heard)


OK = chunked(event("a"), event("b"), event(finish="stop"), DONE) + LAST_CHUNK


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([OK], id="at once"),
        pytest.param([OK[i : i + 7] for i in range(0, len(OK), 7)], id="in small parts"),
        pytest.param([chunked(event("a"), event("b", "stop")) + LAST_CHUNK], id="without DONE"),
        pytest.param([chunked(event("a"), event("b"), DONE) + LAST_CHUNK], id="without a reason for its end"),
        pytest.param([http(event("ab", "stop").rstrip())], id="without a last empty line"),
        pytest.param([http(event("ab", "stop"), "text/plain")], id="called plain text"),
        pytest.param([http(event("ab", "stop"), "application/json")], id="called JSON"),
        pytest.param([http(event("ab", "stop")[6:].strip(), "application/json; charset=utf-8")], id="as a whole"),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\n" + event("ab") + DONE], id="of no type and length"),
        pytest.param(
            [chunked(b": ping\n\n", event("ab"), DONE, b"data: garbage\n\n") + LAST_CHUNK], id="with more behind"
        ),
    ],
)
async def test_an_answer_is_read_however_it_comes(transport: Transport, script: list[bytes]) -> None:
    async with raw_server(script) as server:
        assert text(await model(server, transport).answer(HI)) == "ab"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["a\ud83d", "\ude00b"], "a\U0001f600b"),
        (["a\ud83d", "", "\ude00"], "a\U0001f600"),
        (["\ud83d\ude00", "b"], "\U0001f600b"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["c\ude00", "d"], "c\ufffdd"),
        (["a\ud83d"], "a\ufffd"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_halves_of_an_emoji_come_together_and_a_single_one_is_replaced(
    transport: Transport, parts: list[str], said: str, streamed: bool
) -> None:
    """What has no UTF-8 form could never be answered to anybody who asks for the result."""
    events = [event(part) for part in parts]
    stream = chunked(*events, DONE) + LAST_CHUNK if streamed else http(b"".join([*events, DONE]))
    answer = Answer()
    async with raw_server([stream]) as server:
        await read(model(server, transport), answer)
    assert text(answer) == said


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            [http(b'{"error": {"message": "No."}}', "application/json", "401 X")],
            "answered 401: No. Its API key is missing",
        ),
        ([http(b"<html>oops", "text/html", "502 Bad Gateway")], "answered 502: an HTML page instead of an explanation"),
        (
            [http(b"", "text/plain", "302 Found", "location: https://there/v1")],
            "answered 302: it has moved to https://there",
        ),
        ([http(b"<html>log in", "text/html")], "not in the format of OpenAIChatModel: '<html>log in' is no JSON"),
        ([http(b'{"object": "list"}', "application/json")], "has no choices"),
        ([http(b"[1]", "application/json")], "has another form"),
        ([http(b'{"error": {"message": "Full"}}', "application/json")], "reported an error for model 'm': Full"),
        ([http(b"hello there", "text/plain")], "it begins with 'hello there'"),
        ([http(b"")], "it is empty"),
        ([chunked(b"data: {oops\n\n") + LAST_CHUNK], "'{oops' is no JSON"),
        ([chunked(b'data: {"choices": 7}\n\n') + LAST_CHUNK], "has another form"),
        ([chunked(event()) + LAST_CHUNK], "broke off before it answered"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], "it is no HTTP"),
        ([b""], "Cannot reach provider 'p'"),
        ([b"HTTP/1.1 200 OK\r\n"], "Cannot reach provider 'p'"),
    ],
)
async def test_a_failure_before_the_first_word_is_told(
    transport: Transport, script: list[bytes], sentence: str
) -> None:
    async with raw_server(script) as server:
        with pytest.raises(ModelError) as caught:
            await model(server, transport).answer(HI)
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        (b"", "broke off: the connection was closed in the middle of it. Send the message again"),
        (LAST_CHUNK, "broke off: the stream ended in the middle of it"),
        (b"garbage\r\n", "broke off: "),
        (chunked(b"data: {oops\n\n").split(b"\r\n\r\n", 1)[1], "broke off: '{oops' is no JSON"),
        (
            chunked(b'data: {"error": {"message": "Full", "code": 503}}\n\n').split(b"\r\n\r\n", 1)[1],
            "reported an error",
        ),
    ],
)
async def test_a_failure_after_the_first_word_is_told_and_not_tried_again(
    transport: Transport, rest: bytes, sentence: str
) -> None:
    async with raw_server([chunked(event("a")), rest]) as server:
        answer = Answer()
        with pytest.raises(ModelError) as caught:
            await read(model(server, transport, retries=3), answer)
    assert sentence in caught.value.message
    assert text(answer) == "a"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "first",
    [
        [b""],
        [chunked(event())],
        [http(b"", status="503 Busy")],
        [http(b'{"error": {"message": "Slow", "code": 429}}', "application/json")],
        [chunked(b'data: {"error": {"message": "Full", "type": "server_error"}}\n\n')],
    ],
    ids=["closed", "cut", "503", "429 within 200", "error in the stream"],
)
async def test_what_passes_is_tried_again_before_the_first_word(transport: Transport, first: list[bytes]) -> None:
    async with raw_server(first, [OK]) as server:
        assert text(await model(server, transport, retries=1).answer(HI)) == "ab"
        assert len(server.requests) == 2


async def test_a_limit_within_an_answer_is_a_limit(transport: Transport) -> None:
    script = [http(b'{"error": {"message": "Slow", "code": 429}}', "application/json")]
    async with raw_server(script) as server:
        with pytest.raises(ModelRateLimited):
            await model(server, transport).answer(HI)


async def test_usage_in_a_last_chunk_without_choices(transport: Transport) -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}\n\n'
    async with raw_server([chunked(event("a"), event(finish="stop"), usage, DONE) + LAST_CHUNK]) as server:
        assert (await model(server, transport).answer(HI)).usage == (3, 1, 0)


async def test_a_provider_that_says_done_and_does_not_hang_up_holds_nobody(transport: Transport) -> None:
    async with raw_server([chunked(event("a"), DONE)], hold=True) as server:
        async with asyncio.timeout(5):
            assert text(await model(server, transport).answer(HI)) == "a"


async def test_a_key_is_not_carried_to_another_host(transport: Transport) -> None:
    async with raw_server([OK]) as there:
        async with raw_server([http(b"", "text/plain", "307 Moved", f"location: {there.url}")]) as server:
            with pytest.raises(ModelError, match="it has moved to"):
                await model(server, transport).answer(HI)
        assert there.requests == []


async def test_a_request_with_large_images_is_sent_whole(transport: Transport) -> None:
    large = [{"role": "user", "content": "x" * 3_000_000}]
    async with raw_server([OK]) as server:
        assert text(await model(server, transport).answer(large)) == "ab"
        assert json.loads(server.requests[0][1])["messages"] == large
