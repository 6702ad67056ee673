from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from copaw.testing.model_server import ModelServer, running_model_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHELL = {"type": "function", "function": {"name": "shell", "parameters": {}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ModelServer]:
    async with running_model_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(running: ModelServer) -> ModelServer:
    await running.clear()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.base_url, trust_env=False) as client:
        yield client


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def events(client: httpx.AsyncClient, request: dict[str, Any]) -> list[Any]:
    response = await client.post("/chat/completions", json={"stream": True, **request})
    assert response.headers["content-type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


async def test_it_lists_its_model(client: httpx.AsyncClient) -> None:
    assert (await client.get("/models")).json()["data"][0]["id"] == "scripted"


async def test_a_plain_answer_has_text_and_usage(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/chat/completions", json=body("hello ü"))).json()
    assert answer["choices"][0]["message"]["content"] == "Echo: hello ü"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 1


async def test_a_stream_has_so_many_chunks_and_usage_if_asked(client: httpx.AsyncClient) -> None:
    options = {"stream_options": {"include_usage": True}}
    got = await events(client, body("tokens 50\nthink deep thought", **options))
    deltas = [event["choices"][0]["delta"] for event in got if event["choices"]]
    assert [delta["content"] for delta in deltas if delta.get("content")] == ["tok "] * 50
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "deep thought "
    assert got[-2]["choices"][0]["finish_reason"] == "stop"
    assert got[-1]["usage"]["completion_tokens"] >= 50
    assert "usage" not in (await events(client, body("tokens 1")))[-1]


async def test_calls_and_their_results(client: httpx.AsyncClient) -> None:
    request = body('call shell {"command": "x"}', tools=[SHELL])
    for message in (
        (await client.post("/chat/completions", json=request)).json()["choices"][0]["message"],
        await _streamed_message(client, request),
    ):
        (call,) = message["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"command": "x"}
        result = {"role": "tool", "tool_call_id": call["id"], "content": "out"}
        follow_up = {**request, "messages": [*request["messages"], message, result]}
        answer = (await client.post("/chat/completions", json=follow_up)).json()
        assert answer["choices"][0]["message"]["content"] == "Results:\n1. out"


async def _streamed_message(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {}
    for event in await events(client, request):
        for delta in event["choices"][0]["delta"].get("tool_calls", ()):
            if call:
                call["function"]["arguments"] += delta["function"]["arguments"]
            else:
                call = delta
    return {"role": "assistant", "content": None, "tool_calls": [call]}


async def test_scripted_failures_happen_as_often_as_told_and_may_happen_again(client: httpx.AsyncClient) -> None:
    request = body("fail 429 times 2 retry-after 3\nsay ok")
    for _ in range(2):
        answers = [await client.post("/chat/completions", json=request) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert answers[0].headers["retry-after"] == "3"
        assert answers[0].json()["error"]["message"]
    forever = [await client.post("/chat/completions", json=body("fail 418")) for _ in range(5)]
    assert {answer.status_code for answer in forever} == {418}


async def test_cut_ends_the_connection_in_mid_stream(client: httpx.AsyncClient) -> None:
    seen = bytearray()

    async def read() -> None:
        async with client.stream("POST", "/chat/completions", json=body("tokens 10\ncut", stream=True)) as response:
            async for data in response.aiter_bytes():
                seen.extend(data)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert seen.count(b"tok ") == 4


async def test_who_hangs_up_on_a_request_that_hangs_is_seen(client: httpx.AsyncClient, server: ModelServer) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/chat/completions", json=body("hang"), timeout=0.02)
    record = await server.record(disconnects=1)
    assert record["received"] == 1
    assert record["requests"] == [body("hang")]


@pytest.mark.parametrize("content", [b"no json", b"{}", b"[]", b'{"messages": [{"content": 1}]}'])
async def test_what_is_no_request_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/chat/completions", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_an_unknown_address_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing")).status_code == 404


async def test_the_record_can_be_cleared(client: httpx.AsyncClient, server: ModelServer) -> None:
    await client.post("/chat/completions", json=body("hi"))
    assert (await server.record(received=1))["requests"] == [body("hi")]
    await server.clear()
    assert (await server.record())["requests"] == []


async def test_its_process_is_gone_afterwards() -> None:
    async with running_model_server() as server:
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
