"""What went wrong with a model call, in a sentence that says what to do; and whether trying again may help."""

from __future__ import annotations

import json

import httpx
import openai

from copaw.errors import ModelError, ModelRateLimited
from copaw.providers.models import ProviderInfo

FAILURES = (openai.OpenAIError, httpx.HTTPError, json.JSONDecodeError)
"""How a call fails: the client's errors, a stream that broke (httpx), an answer that is no JSON."""

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})


def is_transient(error: BaseException) -> bool:
    """The same request may succeed later."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _TRANSIENT_STATUS or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError | httpx.TransportError)


def is_rate_limit(error: BaseException) -> bool:
    """The provider asked for fewer requests."""
    return isinstance(error, openai.APIStatusError) and error.status_code == 429


def retry_after_s(error: BaseException) -> float | None:
    """Seconds the provider asked to wait, ``None`` if it did not say or gave a date."""
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def explain(error: Exception, info: ProviderInfo, model: str, *, attempts: int = 1, begun: bool = False) -> ModelError:
    """The error to raise from ``error``.

    :param attempts: how often the request was tried.
    :param begun: part of the answer had come already.
    """
    if begun and not isinstance(error, openai.APIStatusError):
        sentence = (
            f"The answer of model '{model}' (provider '{info.id}') broke off: {_reason(error)}. Send the message again."
        )
    elif isinstance(error, openai.APIStatusError):
        sentence = _status_sentence(error, info, model)
    else:
        sentence = _connection_sentence(error, info, model)
    if attempts > 1:
        sentence += f" ({attempts} attempts)"
    kind = ModelRateLimited if is_rate_limit(error) else ModelError
    return kind(_without_key(sentence, info))


def _status_sentence(error: openai.APIStatusError, info: ProviderInfo, model: str) -> str:
    status = error.status_code
    said = f"Provider '{info.id}' answered {status}: {_said(error)}."
    match status:
        case 401:
            advice = f"Its API key is missing or wrong; set it with `copaw models config-key {info.id}`."
        case 403:
            advice = (
                f"The API key may not use model '{model}'; set another key with `copaw models config-key {info.id}` "
                "or choose another model with `copaw models set-llm`."
            )
        case 404:
            advice = (
                f"It knows no model '{model}' at {info.base_url}; choose another with `copaw models set-llm` "
                f"or add the right one with `copaw models add-model {info.id}`."
            )
        case 429:
            advice = "It is limiting requests, or the quota is used up; try again later or lower llm_max_qpm."
        case _ if status >= 500:
            advice = "The fault is on its side; try again later or choose another with `copaw models set-llm`."
        case _:
            advice = f"It did not accept the request to model '{model}'; check generate_kwargs and the model's limits."
    return f"{said} {advice}"


def _connection_sentence(error: Exception, info: ProviderInfo, model: str) -> str:
    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        return f"Provider '{info.id}' at {info.base_url} did not answer in time for model '{model}'. Try again later."
    if isinstance(error, openai.APIConnectionError | httpx.TransportError):
        return (
            f"Cannot reach provider '{info.id}' at {info.base_url}: {_reason(error)}. Check that it is running and "
            f"that the address is right (`copaw models config-key {info.id}`)."
        )
    if isinstance(error, openai.APIError):
        return f"Provider '{info.id}' reported an error for model '{model}': {_reason(error)}."
    return (
        f"Provider '{info.id}' at {info.base_url} gave an answer for model '{model}' that is not in the OpenAI "
        f"format: {_reason(error)}. Check its address (`copaw models config-key {info.id}`)."
    )


def _said(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    text = message if isinstance(message, str) and message else error.message
    return text.strip().rstrip(".")[:500] or "no explanation"


def _reason(error: BaseException) -> str:
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return (str(deepest) or type(deepest).__name__).strip().rstrip(".")[:300]


def _without_key(sentence: str, info: ProviderInfo) -> str:
    return sentence.replace(info.api_key, "***") if len(info.api_key) >= 4 else sentence
