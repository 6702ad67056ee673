from __future__ import annotations

import pytest

from copaw.errors import ModelError, ModelRateLimited, PromptTooLong
from copaw.providers.failures import (
    BrokeOff,
    CallFailure,
    NotTheProtocol,
    Reported,
    StatusFailure,
    TookTooLong,
    Unreachable,
    error_message,
    explain,
    is_transient,
    retry_after_s,
    seconds_to_wait,
)
from copaw.providers.models import ProviderInfo

INFO = ProviderInfo(id="mine", name="Mine", base_url="http://host:1/v1", api_key="sk-secret")


def status(code: int, said: str = "no") -> StatusFailure:
    return StatusFailure(code, said)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (status(308, "it has moved to http://there"), "Set the address"),
        (status(401), "copaw models config-key mine"),
        (status(403), "copaw models config-key mine"),
        (status(404), "copaw models set-llm"),
        (status(404), "copaw models add-model mine"),
        (status(400), "generate_kwargs"),
        (status(500), "try again later"),
        (Unreachable("Connection refused"), "at http://host:1/v1: Connection refused. Check that it is running"),
        (TookTooLong(), "did not answer in time"),
        (BrokeOff("closed"), "broke off before it answered"),
        (Reported("odd"), "reported an error"),
        (NotTheProtocol("'<html>' is no JSON"), "not in the format of OpenAIChatModel: '<html>' is no JSON"),
    ],
)
def test_the_sentence_says_what_to_do(error: Exception, advice: str) -> None:
    explained = explain(error, INFO, "m")
    assert type(explained) is ModelError
    assert advice in explained.message
    assert "mine" in explained.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BrokeOff("closed"), "broke off: closed. Send the message again"),
        (TookTooLong(), "broke off: nothing more came in time"),
        (Reported("overloaded"), "reported an error for model 'm': overloaded"),
    ],
)
def test_an_answer_that_had_begun(error: CallFailure, reason: str) -> None:
    assert reason in explain(error, INFO, "m", begun=True).message


def test_what_the_provider_says_is_quoted_without_the_key() -> None:
    message = explain(status(401, "Incorrect key sk-secret"), INFO, "m").message
    assert "Incorrect key ***" in message
    assert "sk-secret" not in message


def test_too_many_requests_is_a_rate_limit() -> None:
    assert isinstance(explain(status(429), INFO, "m"), ModelRateLimited)
    assert isinstance(explain(Reported("slow", 429), INFO, "m"), ModelRateLimited)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000"),
        (400, "context_length_exceeded"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (1100000) exceeds the maximum number of tokens allowed"),
        (400, "the request exceeds the available context size"),
        (400, "Range of input length should be [1, 30720]"),
        (413, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_the_words(code: int, said: str) -> None:
    explained = explain(status(code, said), INFO, "m")
    assert isinstance(explained, PromptTooLong)
    assert "send /compact, or lower max_input_length" in explained.message
    assert isinstance(explain(Reported(said), INFO, "m"), PromptTooLong)
    assert type(explain(status(500, said), INFO, "m")) is ModelError
    assert type(explain(status(400, "no such parameter"), INFO, "m")) is ModelError


def test_what_passes_and_what_does_not() -> None:
    assert all(is_transient(status(code)) for code in (408, 409, 429, 500, 502, 529))
    assert not any(is_transient(status(code)) for code in (308, 400, 401, 403, 404, 413, 422))
    assert all(is_transient(error) for error in (BrokeOff(), Unreachable(), TookTooLong(), Reported("x", 503)))
    assert not any(is_transient(error) for error in (NotTheProtocol(), Reported("x"), Reported("x", 400)))


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", None), ("inf", None), ("Wed, 21 Oct 2026", None)]
)
def test_retry_after_is_seconds_or_nothing(value: str, seconds: float | None) -> None:
    assert retry_after_s(StatusFailure(429, "slow", seconds_to_wait(value))) == seconds
    assert retry_after_s(TookTooLong("x")) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "Bad  key."}}', "Bad key"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'[{"error": {"code": 400, "message": "API key not valid"}}]', "API key not valid"),
        (b'{"odd": 1}', '{"odd": 1}'),
        (b"<!DOCTYPE html><html>...", "an HTML page instead of an explanation"),
        (b"upstream down\n", "upstream down"),
        (b"\xff" + b"x" * 9999, "\ufffd" + "x" * 499),
        (b"", "no explanation"),
        (b"{}", "no explanation"),
    ],
)
def test_the_words_of_an_error_are_found_in_whatever_it_is(body: bytes, said: str) -> None:
    assert error_message(body) == said
