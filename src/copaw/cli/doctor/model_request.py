"""The smallest real request to a model, in the protocol of its provider, over the standard library."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from copaw.cli.fetch import http_opener
from copaw.errors import ModelError
from copaw.ports import Json
from copaw.providers.models import ProviderInfo

PROMPT = "Answer with the one word: ok"
MAX_TOKENS = 16
_GEMINI = "https://generativelanguage.googleapis.com"
_MAX_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is sent, by POST."""

    url: str
    headers: Mapping[str, str]
    body: Json


def request_to(info: ProviderInfo, model: str) -> ModelRequest:
    """The request to one model. See the providers' own documents for the paths and headers."""
    base = info.base_url.rstrip("/")
    message = [{"role": "user", "content": PROMPT}]
    match info.chat_model:
        case "AnthropicChatModel":
            headers = {"x-api-key": info.api_key, "anthropic-version": "2023-06-01"}
            body: Json = {"model": model, "max_tokens": MAX_TOKENS, "messages": message}
            return ModelRequest(f"{base.removesuffix('/v1')}/v1/messages", headers, body)
        case "GeminiChatModel":
            body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
            url = f"{base.removesuffix('/v1beta') or _GEMINI}/v1beta/models/{model}:generateContent"
            return ModelRequest(url, {"x-goog-api-key": info.api_key}, body)
    if info.id == "ollama" and not base.endswith("/v1"):
        base = f"{base}/v1"
    # Streamed, so that the first piece is answer enough; limits on the length have different names everywhere.
    body = {"model": model, "messages": message, "stream": True}
    headers = {"Authorization": f"Bearer {info.api_key}"} if info.api_key else {}
    return ModelRequest(f"{base}/chat/completions", headers, body)


def ask(wanted: ModelRequest, timeout_s: float) -> float:
    """Send it, and read until the answer begins; the seconds that took.

    :raises ModelError: there is no answer, or it is a refusal; the message says why.
    """
    headers = {**wanted.headers, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(wanted.url, json.dumps(wanted.body).encode(), headers, method="POST")
    began = time.monotonic()
    try:
        with http_opener().open(request, timeout=timeout_s) as response:
            _read_beginning(response, began + timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            raise ModelError(f"it answered {error.code}: {_reason(error.read(_MAX_ANSWER_BYTES))}") from error
    except TimeoutError as error:
        raise ModelError(f"no answer within {timeout_s:g} s") from error
    except urllib.error.URLError as error:
        raise ModelError(f"it cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ModelError(f"it cannot be reached: {error}") from error
    return time.monotonic() - began


def _read_beginning(response: http.client.HTTPResponse, deadline: float) -> None:
    if "text/event-stream" not in (response.headers.get("content-type") or ""):
        document = json.loads(response.read(_MAX_ANSWER_BYTES))
        if not isinstance(document, dict) or "error" in document:
            raise ModelError(f"its answer is none: {_reason(json.dumps(document).encode())}")
        return
    while line := response.readline(_MAX_ANSWER_BYTES):
        if line.startswith(b"data:"):
            if b'"error"' in line:
                raise ModelError(f"its answer is none: {_reason(line.removeprefix(b'data:'))}")
            return
        if time.monotonic() > deadline:
            raise TimeoutError
    raise ModelError("its stream ended before it began")


def _reason(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    match document:
        case {"error": {"message": str(found)}} | {"error": str(found)} | {"message": str(found)}:
            text = found
    return " ".join(text.split())[:300] or "no reason given"
