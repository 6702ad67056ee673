"""Checks against servers that speak the protocols, and against servers that do not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from copaw.errors import BadInput
from copaw.providers.checks import ProviderChecks, check_timeout_s
from copaw.providers.models import ProviderInfo
from copaw.providers.transport import Transport
from copaw.testing.model_server import ModelServer, running_model_server
from copaw.testing.raw_http import http, raw_server

PROTOCOLS = ["OpenAIChatModel", "AnthropicChatModel", "GeminiChatModel"]
KEY = "sk-very-secret"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[ModelServer]:
    async with running_model_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def checks() -> AsyncIterator[ProviderChecks]:
    transport = Transport()
    yield ProviderChecks(transport, 5.0)
    await transport.aclose()


def provider(url: str, **values: Any) -> ProviderInfo:
    return ProviderInfo(**{"id": "p", "name": "P", "base_url": url, "api_key": KEY, **values})


def said(text: str) -> bytes:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return http(json.dumps({"choices": [choice]}).encode(), "application/json")


def refused(status: str, text: str = "No.") -> bytes:
    return http(json.dumps({"error": {"message": text}}).encode(), "application/json", status)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_protocol_is_checked_and_its_models_found(
    checks: ProviderChecks, server: ModelServer, protocol: str
) -> None:
    info = provider(server.base_url.removesuffix("" if protocol == PROTOCOLS[0] else "/v1"), chat_model=protocol)
    assert (await checks.provider(info)).message == "Provider 'p' answers and offers 1 models."
    assert (await checks.model(info, "scripted")).success
    discovered = await checks.discover(info)
    assert [model.id for model in discovered.models] == ["scripted"], "and not the one that only embeds"


async def test_ollama_is_found_at_its_address(checks: ProviderChecks, server: ModelServer) -> None:
    info = provider(server.base_url.removesuffix("/v1"), id="ollama", require_api_key=False, api_key="")
    assert (await checks.provider(info)).success
    assert (await checks.discover(info)).success


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (refused("401 Unauthorized", f"Bad key {KEY}"), "refused the API key (401: Bad key ***). Set it with"),
        (refused("500 Oops"), "answered 500: No. Check its address"),
        (http(b"<html>hello", "text/html"), "does not speak the protocol of OpenAIChatModel"),
        (http(b'{"data": [{"name": 1}]}', "application/json"), "there is no list of models in it"),
        (http(b'{"data": 7}', "application/json"), "there is no list of models in it"),
        (http(b"[]"), "there is no list of models in it"),
        (b"", "cannot be reached: it closed the connection without an answer"),
    ],
)
async def test_what_is_wrong_is_said(checks: ProviderChecks, script: bytes, message: str) -> None:
    async with raw_server([script]) as server:
        for checked in (await checks.provider(provider(server.url)), await checks.discover(provider(server.url))):
            assert not checked.success
            assert message in checked.message
            assert KEY not in checked.message


async def test_nobody_listens_and_nobody_answers(checks: ProviderChecks, unused_tcp_port: int) -> None:
    checked = await checks.provider(provider(f"http://127.0.0.1:{unused_tcp_port}/v1"))
    assert "cannot be reached: Connection refused" in checked.message
    impatient = ProviderChecks(checks._transport, 0.05)
    async with raw_server([], hold=True) as server:
        info = provider(server.url)
        for slow in (await impatient.provider(info), await impatient.model(info, "m"), await impatient.discover(info)):
            assert not slow.success
            assert "did not answer within 0.05 s" in slow.message
            assert "COPAW_MODEL_PROVIDER_CHECK_TIMEOUT" in slow.message


async def test_a_provider_without_a_list_answers_all_the_same(checks: ProviderChecks) -> None:
    async with raw_server([refused("404 Not Found")]) as server:
        checked = await checks.provider(provider(server.url))
        assert checked.success
        assert "the key was not tried" in checked.message
        assert "copaw models add-model p" in (await checks.discover(provider(server.url))).message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base_url": ""}, "no address yet"),
        ({"api_key": ""}, "no API key yet"),
        ({"id": "demo"}, "always answers"),
        ({"support_connection_check": False}, "Test one of them"),
    ],
)
async def test_what_need_not_be_asked_is_not(checks: ProviderChecks, values: dict[str, Any], message: str) -> None:
    assert message in (await checks.provider(provider("http://provider.invalid", **values))).message


async def test_a_model_that_does_not_answer(checks: ProviderChecks) -> None:
    async with raw_server([refused("404 Not Found", "no such model")]) as server:
        checked = await checks.model(provider(server.url), "m")
        assert not checked.success
        assert "It knows no model 'm'" in checked.message
    async with raw_server([said("")]) as server:
        assert "without a word" in (await checks.model(provider(server.url), "m")).message


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_a_model_that_sees(checks: ProviderChecks, kind: str) -> None:
    async with raw_server([said("It is Red.")]) as server:
        seen = await checks.sees(provider(server.url), "m", kind)
        assert seen.able is True
        body = json.loads(server.requests[0][1])
        assert body["messages"][0]["content"][0][f"{kind}_url"]["url"].startswith(f"data:{kind}/")


@pytest.mark.parametrize(
    ("script", "able"),
    [
        ([said("I see no picture.")], False),
        ([refused("400 Bad", "images are not supported"), said("Hello")], False),
        ([refused("404 Not Found", "no such model")], None),
        ([refused("401 Unauthorized")], None),
        ([refused("429 Slow")], None),
        ([b""], None),
    ],
    ids=["ignores it", "refuses it", "no model", "no key", "limited", "gone"],
)
async def test_whether_a_model_sees_is_not_guessed(
    checks: ProviderChecks, script: list[bytes], able: bool | None
) -> None:
    async with raw_server(*([part] for part in script)) as server:
        seen = await checks.sees(provider(server.url), "m", "image")
        assert seen.able is able
        assert seen.message


async def test_anthropic_has_no_videos(checks: ProviderChecks) -> None:
    info = provider("http://provider.invalid", chat_model="AnthropicChatModel")
    assert (await checks.sees(info, "m", "video")).able is False


async def test_the_time_a_check_may_take() -> None:
    assert check_timeout_s({}) == 5.0
    assert check_timeout_s({"COPAW_MODEL_PROVIDER_CHECK_TIMEOUT": "0.5"}) == 0.5
    for text in ("soon", "0", "-1", "inf", "nan"):
        with pytest.raises(BadInput, match="COPAW_MODEL_PROVIDER_CHECK_TIMEOUT"):
            check_timeout_s({"COPAW_MODEL_PROVIDER_CHECK_TIMEOUT": text})
