from __future__ import annotations

import pytest

from copaw.cli.doctor.model_request import ModelRequest, ask, request_to
from copaw.errors import ModelError
from copaw.providers.models import ProviderInfo


def provider(address: str, **fields: object) -> ProviderInfo:
    return ProviderInfo.model_validate({"id": "mine", "name": "Mine", "base_url": address, "api_key": "k"} | fields)


@pytest.mark.parametrize(
    ("fields", "url", "header"),
    [
        ({}, "http://h/v1/chat/completions", ("Authorization", "Bearer k")),
        ({"id": "ollama", "base_url": "http://h"}, "http://h/v1/chat/completions", ("Authorization", "Bearer k")),
        ({"chat_model": "AnthropicChatModel"}, "http://h/v1/messages", ("x-api-key", "k")),
        ({"chat_model": "AnthropicChatModel", "base_url": "http://h"}, "http://h/v1/messages", ("x-api-key", "k")),
        (
            {"chat_model": "GeminiChatModel", "base_url": ""},
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
            ("x-goog-api-key", "k"),
        ),
    ],
)
def test_each_protocol_has_its_path_and_header(fields: dict, url: str, header: tuple[str, str]) -> None:
    wanted = request_to(provider("http://h/v1/", **fields), "m")
    assert wanted.url == url
    assert header in wanted.headers.items()


def test_without_a_key_none_is_sent() -> None:
    assert request_to(provider("http://h/v1", api_key=""), "m").headers == {}


@pytest.fixture
def wanted(server) -> ModelRequest:
    return request_to(provider(server.base_url), "m")


def streams(server, *events: object) -> None:
    server.streams(*events)
    server.routes["POST", "/chat/completions"] = server.routes["POST", "/api/agent/process"]


def test_the_beginning_of_a_stream_is_enough(server, wanted: ModelRequest) -> None:
    streams(server, ": hello\n\n", {"choices": []})
    assert ask(wanted, 5) < 5
    assert server.seen[0].body["model"] == "m"


def test_an_error_in_a_stream_is_one(server, wanted: ModelRequest) -> None:
    streams(server, {"error": {"message": "overloaded"}})
    with pytest.raises(ModelError, match="overloaded"):
        ask(wanted, 5)


def test_a_stream_without_a_beginning_is_no_answer(server, wanted: ModelRequest) -> None:
    streams(server, ": hello\n\n")
    with pytest.raises(ModelError, match="ended before it began"):
        ask(wanted, 5)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"error": {"message": "bad key"}}, "answered 401: bad key"),
        (500, "<html>", "answered 500: <html>"),
        (200, {"error": "quota"}, "its answer is none: quota"),
        (200, "<html>", "cannot be reached"),
    ],
)
def test_a_refusal_says_why(server, wanted: ModelRequest, status: int, body: object, why: str) -> None:
    server.on("POST", "/chat/completions", body, status=status)
    with pytest.raises(ModelError, match=why):
        ask(wanted, 5)


def test_nobody_there() -> None:
    with pytest.raises(ModelError, match="cannot be reached"):
        ask(ModelRequest("http://127.0.0.1:9/x", {}, {}), 5)
