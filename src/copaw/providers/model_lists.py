"""Which models a provider offers, asked of the provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from copaw.ports import Json
from copaw.providers.anthropic_wire import headers as anthropic_headers
from copaw.providers.failures import NotTheProtocol
from copaw.providers.models import ModelInfo, ProviderInfo
from copaw.providers.protocols import address_of
from copaw.providers.transport import HttpRequest, Transport

_MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _List:
    """Where a protocol has its list. :param model: one entry as a model; ``None`` if it cannot chat."""

    path: str
    key: str
    model: Callable[[Json], ModelInfo | None]
    headers: dict[str, str] = field(default_factory=dict)


async def list_models(transport: Transport, info: ProviderInfo, timeout_s: float) -> list[ModelInfo]:
    """The models that can chat, in the provider's order, each once.

    :param timeout_s: the longest silence.
    :raises CallFailure: there is no list, or it cannot be read.
    """
    where = _list_of(info)
    request = HttpRequest("GET", f"{address_of(info)}{where.path}", where.headers, read_timeout_s=timeout_s)
    async with transport.send(request) as reply:
        body = await reply.read(_MAX_BYTES)
    try:
        entries: Any = json.loads(body)[where.key]
        found = [model for entry in entries if (model := where.model(entry)) is not None]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotTheProtocol(f"there is no list of models in it ({body[:80].decode('utf-8', 'replace')!r})") from None
    return [*{model.id: model for model in found}.values()]


def _list_of(info: ProviderInfo) -> _List:
    key = info.api_key
    match info.chat_model:
        case "AnthropicChatModel":
            return _List("/v1/models?limit=1000", "data", _anthropic, anthropic_headers(key))
        case "GeminiChatModel":
            return _List("/v1beta/models?pageSize=1000", "models", _gemini, {"x-goog-api-key": key})
        case _:
            return _List("/models", "data", _openai, {"Authorization": f"Bearer {key}"} if key else {})


def _openai(entry: Json) -> ModelInfo:
    return ModelInfo(id=str(entry["id"]), name=str(entry["id"]))


def _anthropic(entry: Json) -> ModelInfo:
    return ModelInfo(id=str(entry["id"]), name=str(entry.get("display_name") or entry["id"]))


def _gemini(entry: Json) -> ModelInfo | None:
    if "generateContent" not in entry.get("supportedGenerationMethods", ["generateContent"]):
        return None
    model_id = str(entry["name"]).removeprefix("models/")
    return ModelInfo(id=model_id, name=str(entry.get("displayName") or model_id))
