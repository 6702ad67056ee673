"""What went wrong with a model call, in a sentence that says what to do; and whether trying again may help.

::

    CallFailure
    ├── StatusFailure     the provider answered with an error status
    ├── Reported          it reported an error within an answer
    ├── Unreachable       no connection
    ├── TookTooLong       no answer, or no further word of it, in time
    ├── BrokeOff          the answer ended before it was complete
    └── NotTheProtocol    something else than what was asked for
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from copaw.errors import ModelError, ModelRateLimited, PromptTooLong
from copaw.providers.models import ProviderInfo

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_LONGEST_SAID = 500
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|prompt is too long|too many (input )?tokens|token count.* exceeds"
    r"|range of input length|too large for model",
    re.IGNORECASE,
)


class CallFailure(Exception):
    """A call to a provider failed. The text is a part of a sentence."""


class StatusFailure(CallFailure):
    """:param said: the provider's own words. :param retry_after_s: it asked to wait that long; ``None``: not."""

    def __init__(self, status: int, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}: {said}")
        self.status = status
        self.said = said
        self.retry_after_s = retry_after_s


class Reported(CallFailure):
    """:param status: the HTTP status that the error would have had, if the provider says so."""

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


class Unreachable(CallFailure):
    """There was no connection, or none that lasted until an answer."""


class TookTooLong(CallFailure):
    """Nothing came for as long as one may wait."""


class BrokeOff(CallFailure):
    """The answer ended before it was complete."""


class NotTheProtocol(CallFailure):
    """The answer is not what the protocol prescribes."""


def is_transient(error: CallFailure) -> bool:
    """The same request may succeed later."""
    match error:
        case StatusFailure(status=int(status)) | Reported(status=int(status)):
            return status in _TRANSIENT_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        case _:
            return isinstance(error, Unreachable | TookTooLong | BrokeOff)


def is_rate_limit(error: CallFailure) -> bool:
    """The provider asked for fewer requests."""
    return isinstance(error, StatusFailure | Reported) and error.status == HTTPStatus.TOO_MANY_REQUESTS


def is_too_long(error: CallFailure) -> bool:
    """The prompt is longer than the model takes. There is no common code for it, so the words must tell."""
    match error:
        case StatusFailure(status=400 | 413 | 422) | Reported(status=None | 400 | 413 | 422):
            return _TOO_LONG.search(str(error)) is not None
        case _:
            return False


def retry_after_s(error: CallFailure) -> float | None:
    """Seconds the provider asked to wait, ``None`` if it did not say or gave a date."""
    return error.retry_after_s if isinstance(error, StatusFailure) else None


def seconds_to_wait(header: str) -> float | None:
    """The value of ``Retry-After`` if it is a number of seconds."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def error_message(body: bytes) -> str:
    """The provider's words in the body of an error, whatever form it has."""
    try:
        return message_of(json.loads(body))
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
    if text.lower().startswith(("<!doctype", "<html")):
        return "an HTML page instead of an explanation"
    return _short(text)


def message_of(body: Any) -> str:
    """The words in ``{"error": {"message": ...}}`` and in what else providers send in its place."""
    match body:
        case [first, *_]:
            return message_of(first)
        case {"error": dict() | str() as error}:
            return message_of(error)
        case {"message": str(text)} | {"detail": str(text)} | {"error_msg": str(text)} | str(text):
            return _short(text)
        case _:
            return _short(json.dumps(body, ensure_ascii=False)) if body else "no explanation"


def explain(
    error: CallFailure, info: ProviderInfo, model: str, *, attempts: int = 1, begun: bool = False
) -> ModelError:
    """The error to raise from ``error``.

    :param attempts: how often the request was tried.
    :param begun: part of the answer had come already.
    """
    if begun and not isinstance(error, Reported):
        reason = "nothing more came in time" if isinstance(error, TookTooLong) else str(error)
        sentence = f"The answer of model '{model}' (provider '{info.id}') broke off: {reason}. Send the message again."
    elif isinstance(error, StatusFailure):
        sentence = _status_sentence(error, info, model)
    else:
        sentence = _connection_sentence(error, info, model)
    if attempts > 1:
        sentence += f" ({attempts} attempts)"
    return _kind(error)(without_key(sentence, info))


def _kind(error: CallFailure) -> type[ModelError]:
    if is_rate_limit(error):
        return ModelRateLimited
    return PromptTooLong if is_too_long(error) else ModelError


def _status_sentence(error: StatusFailure, info: ProviderInfo, model: str) -> str:
    status = error.status
    said = f"Provider '{info.id}' answered {status}: {error.said}."
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
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            advice = "The fault is on its side; try again later or choose another with `copaw models set-llm`."
        case _ if status < HTTPStatus.BAD_REQUEST:
            advice = f"Set the address where it is now with `copaw models config-key {info.id}`."
        case _ if is_too_long(error):
            advice = f"The conversation is longer than model '{model}' takes; send /compact, or lower max_input_length."
        case _:
            advice = f"It did not accept the request to model '{model}'; check generate_kwargs and the model's limits."
    return f"{said} {advice}"


def _connection_sentence(error: CallFailure, info: ProviderInfo, model: str) -> str:
    where = f"Provider '{info.id}' at {info.base_url}"
    match error:
        case TookTooLong():
            return f"{where} did not answer in time for model '{model}'. Try again later."
        case Unreachable():
            return (
                f"Cannot reach provider '{info.id}' at {info.base_url}: {error}. Check that it is running and "
                f"that the address is right (`copaw models config-key {info.id}`)."
            )
        case Reported():
            return f"Provider '{info.id}' reported an error for model '{model}': {error}."
        case BrokeOff():
            return f"{where} broke off before it answered for model '{model}': {error}. Try again later."
        case _:
            return (
                f"{where} gave an answer for model '{model}' that is not in the format of {info.chat_model}: {error}. "
                f"Check its address (`copaw models config-key {info.id}`)."
            )


def _short(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:_LONGEST_SAID] or "no explanation"


def without_key(sentence: str, info: ProviderInfo) -> str:
    """A sentence that quotes a provider, which may have quoted the key."""
    return sentence.replace(info.api_key, "***") if len(info.api_key) >= 4 else sentence
