from __future__ import annotations

import json

import httpx
import openai
import pytest

from copaw.errors import ModelError, ModelRateLimited
from copaw.providers.failures import explain, is_transient, retry_after_s
from copaw.providers.models import ProviderInfo

INFO = ProviderInfo(id="mine", name="Mine", base_url="http://host:1/v1", api_key="sk-secret")
REQUEST = httpx.Request("POST", "http://host:1/v1/chat/completions")


def status(code: int, message: str = "no", **headers: str) -> openai.APIStatusError:
    response = httpx.Response(code, request=REQUEST, headers=headers)
    return openai.APIStatusError(message, response=response, body={"message": message})


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (status(401), "copaw models config-key mine"),
        (status(403), "copaw models config-key mine"),
        (status(404), "copaw models set-llm"),
        (status(404), "copaw models add-model mine"),
        (status(400), "generate_kwargs"),
        (status(500), "try again later"),
        (openai.APIConnectionError(request=REQUEST), "http://host:1/v1"),
        (openai.APITimeoutError(REQUEST), "did not answer in time"),
        (httpx.ReadTimeout("slow"), "did not answer in time"),
        (openai.APIError("odd", REQUEST, body=None), "reported an error"),
        (json.JSONDecodeError("bad", "<html>", 0), "not in the OpenAI format"),
    ],
)
def test_the_sentence_says_what_to_do(error: Exception, advice: str) -> None:
    explained = explain(error, INFO, "m")
    assert type(explained) is ModelError
    assert advice in explained.message
    assert "mine" in explained.message


def test_the_reason_is_that_of_the_deepest_cause() -> None:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx.ConnectError("all attempts failed")
    error.__cause__.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert "Connection refused" in explain(error, INFO, "m").message


def test_what_the_provider_says_is_quoted_without_the_key() -> None:
    message = explain(status(401, "Incorrect key sk-secret."), INFO, "m").message
    assert "Incorrect key ***" in message
    assert "sk-secret" not in message


def test_too_many_requests_is_a_rate_limit() -> None:
    assert isinstance(explain(status(429), INFO, "m"), ModelRateLimited)


def test_what_passes_and_what_does_not() -> None:
    assert all(is_transient(status(code)) for code in (408, 409, 429, 500, 502, 529))
    assert not any(is_transient(status(code)) for code in (400, 401, 403, 404, 413, 422))
    assert is_transient(httpx.RemoteProtocolError("cut"))
    assert not is_transient(ValueError("bug"))


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", None), ("inf", None), ("Wed, 21 Oct 2026", None)]
)
def test_retry_after_is_seconds_or_nothing(value: str, seconds: float | None) -> None:
    assert retry_after_s(status(429, **{"retry-after": value})) == seconds
    assert retry_after_s(httpx.ReadTimeout("x")) is None
