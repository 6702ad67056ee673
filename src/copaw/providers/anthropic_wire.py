"""Anthropic's Messages API: https://docs.claude.com/en/api/messages-streaming."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from copaw.ports import Json
from copaw.providers.answer import CUT, Heard, Kind, Piece, Usage, count
from copaw.providers.encoding import encode
from copaw.providers.failures import NotTheProtocol, Reported, message_of
from copaw.providers.provider_model import CallSettings, Question
from copaw.providers.transport import HttpRequest

_VERSION = "2023-06-01"
_MAX_TOKENS = 8192
_STATUS_OF = {
    "rate_limit_error": HTTPStatus.TOO_MANY_REQUESTS,
    "overloaded_error": HTTPStatus.SERVICE_UNAVAILABLE,
    "api_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "timeout_error": HTTPStatus.GATEWAY_TIMEOUT,
    "authentication_error": HTTPStatus.UNAUTHORIZED,
    "not_found_error": HTTPStatus.NOT_FOUND,
}
_KINDS: dict[str, Kind] = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "tool_use": "tool_use",
}


def headers(api_key: str) -> dict[str, str]:
    """What every request carries."""
    return {"x-api-key": api_key, "anthropic-version": _VERSION} if api_key else {"anthropic-version": _VERSION}


class AnthropicWire:
    """See :class:`copaw.providers.provider_model.Wire`."""

    def request(self, settings: CallSettings, question: Question) -> HttpRequest:
        messages = question.messages
        body: Json = {"model": question.model, "max_tokens": _MAX_TOKENS, "stream": True, **settings.generate_kwargs}
        if messages and messages[0]["role"] == "system":
            body["system"], messages = messages[0]["content"], messages[1:]
        body["messages"] = messages
        if question.tools:
            body["tools"] = [_tool(schema["function"]) for schema in question.tools]
            if question.tool_choice:
                body["tool_choice"] = _tool_choice(question.tool_choice)
        return settings.post("/v1/messages", headers(settings.info.api_key), encode(body))

    def reader(self) -> AnthropicReader:
        return AnthropicReader()


class AnthropicReader:
    """See :class:`copaw.providers.provider_model.Reader`."""

    def __init__(self) -> None:
        self.complete = False
        self.over = False
        self._blocks: dict[int, Piece] = {}
        self._usage: Json = {}

    def read(self, event: Json, heard: Heard) -> None:
        match event["type"]:
            case "content_block_delta":
                self._delta(event["index"], event["delta"], heard)
            case "content_block_start":
                self._start(event["index"], event["content_block"], heard)
            case "message_start":
                self._usage |= event["message"].get("usage") or {}
            case "message_delta":
                self._stop(event["delta"].get("stop_reason"), heard)
                self._usage |= event.get("usage") or {}
                heard.append(self._counted())
            case "message_stop":
                self.complete = self.over = True
            case "error":
                raise _reported(event)

    def whole(self, body: Json, heard: Heard) -> None:
        if body.get("type") == "error" or body.get("error"):
            raise _reported(body)
        if "content" not in body:
            raise NotTheProtocol(f"it has no content ({message_of(body)})")
        for index, block in enumerate(body["content"]):
            self._start(index, block, heard)
        self._usage = body.get("usage") or {}
        self._stop(body.get("stop_reason") or "end_turn", heard)
        heard.append(self._counted())

    def end(self, heard: Heard) -> None:
        """Nothing is kept back."""

    def _stop(self, reason: str | None, heard: Heard) -> None:
        self.complete = self.complete or bool(reason)
        latest = next(reversed(self._blocks.values()), None)
        if reason == "max_tokens" and latest is not None and latest.kind == "tool_use":
            heard.append(latest._replace(extra={CUT: True}))

    def _start(self, index: int, block: Json, heard: Heard) -> None:
        kind = _KINDS.get(block["type"])
        if kind is None:
            return  # work the provider does by itself, such as a search of its own
        extra = {"redacted": block["data"]} if block["type"] == "redacted_thinking" else None
        begun = Piece(len(self._blocks), kind, "", block.get("id") or "", block.get("name") or "", extra)
        self._blocks[index] = begun._replace(extra=None)
        text = block.get("text") or block.get("thinking") or ""
        if kind == "tool_use" and block.get("input"):
            text = encode(block["input"]).decode()
        if signature := block.get("signature"):
            begun = begun._replace(extra={"signature": signature})
        if text or begun.extra or kind == "tool_use":
            heard.append(begun._replace(text=text))

    def _delta(self, index: int, delta: Json, heard: Heard) -> None:
        block = self._blocks.get(index)
        if block is None:
            return
        if signature := delta.get("signature"):
            heard.append(block._replace(extra={"signature": signature}))
            return
        text = delta.get("text") or delta.get("thinking") or delta.get("partial_json")
        if text:
            heard.append(block._replace(text=text))

    def _counted(self) -> Usage:
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
        fresh, read, written, said = (count(self._usage.get(name)) for name in names)
        return Usage(fresh + read + written, said, read)


def _tool(function: Json) -> Json:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function["name"], "description": function.get("description") or "", "input_schema": schema}


def _tool_choice(choice: str) -> Json:
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": kinds[choice]} if choice in kinds else {"type": "tool", "name": choice}


def _reported(event: Json) -> Reported:
    error: Any = event.get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    return Reported(message_of(event), _STATUS_OF.get(str(kind)))
