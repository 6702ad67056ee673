"""The protocol of OpenAI's chat completions, as OpenAI and those who imitate it speak it.

https://platform.openai.com/docs/api-reference/chat. Imitations differ in details: thinking comes as
``reasoning_content``, ``reasoning`` or parts of the content; calls come without an index, an id or a type, or all
with the same index; errors come within an answer of status 200. All of these are understood.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from copaw.ports import Json
from copaw.providers.answer import CUT, Heard, Kind, Piece, Usage, count
from copaw.providers.encoding import encode
from copaw.providers.failures import NotTheProtocol, Reported, message_of
from copaw.providers.provider_model import CallSettings, Question
from copaw.providers.transport import HttpRequest

_CHOICES = ("auto", "none", "required")
_STATUS_OF = {
    "rate_limit_exceeded": HTTPStatus.TOO_MANY_REQUESTS,
    "rate_limit_error": HTTPStatus.TOO_MANY_REQUESTS,
    "server_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "overloaded_error": HTTPStatus.SERVICE_UNAVAILABLE,
}


class OpenAIWire:
    """See :class:`copaw.providers.provider_model.Wire`. One for a model: it keeps the tools as they are sent."""

    def __init__(self) -> None:
        self._tools: list[Json] | None = None
        self._tools_json = b""

    def request(self, settings: CallSettings, question: Question) -> HttpRequest:
        body: Json = {
            "model": question.model,
            "messages": question.messages,
            "stream": True,
            **settings.generate_kwargs,
        }
        if question.tool_choice and question.tools:
            body["tool_choice"] = _tool_choice(question.tool_choice)
        if body["stream"]:
            body.setdefault("stream_options", {"include_usage": True})
        encoded = encode(body)
        if question.tools:
            encoded = b'%b,"tools":%b}' % (encoded[:-1], self._encoded_tools(question.tools))
        headers = {"Accept": "text/event-stream"}
        if settings.info.api_key:
            headers["Authorization"] = f"Bearer {settings.info.api_key}"
        return settings.post("/chat/completions", headers, encoded)

    def reader(self) -> OpenAIReader:
        return OpenAIReader()

    def _encoded_tools(self, tools: list[Json]) -> bytes:
        if tools is not self._tools:
            self._tools, self._tools_json = tools, encode(tools)
        return self._tools_json


@dataclass(slots=True)
class _Call:
    """A tool call that is still growing. :param held: arguments that came before the name."""

    call_id: str
    name: str = ""
    slot: int | None = None
    held: list[str] = field(default_factory=list)


class OpenAIReader:
    """See :class:`copaw.providers.provider_model.Reader`."""

    def __init__(self) -> None:
        self.complete = False
        self.over = False
        self._slots = 0
        self._texts: dict[Kind, int] = {}
        self._calls: dict[Any, _Call] = {}
        self._latest: Any = 0
        self._too_long = False

    def read(self, event: Json, heard: Heard) -> None:
        """Add what a chunk says; of several choices only the first is heard."""
        if event.get("error"):
            raise _reported(event)
        for choice in event.get("choices") or ():
            if choice.get("index") in (0, None):
                self._delta(choice.get("delta") or choice.get("message") or {}, heard)
                if reason := choice.get("finish_reason"):
                    self.complete = True
                    self._too_long = reason == "length"
        if event.get("usage"):
            heard.append(_usage(event["usage"]))

    def whole(self, body: Json, heard: Heard) -> None:
        if not body.get("error") and not body.get("choices"):
            raise NotTheProtocol(f"it has no choices ({message_of(body)})")
        self.read(body, heard)

    def end(self, heard: Heard) -> None:
        for call in self._calls.values():
            if call.slot is None and any(call.held):
                self._name(call, "unnamed", heard)
        latest = self._calls.get(self._latest)
        if self._too_long and latest is not None and latest.slot is not None:
            heard.append(Piece(latest.slot, "tool_use", "", latest.call_id, latest.name, {CUT: True}))

    def _delta(self, delta: Json, heard: Heard) -> None:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thinking, str) and thinking:
            heard.append(Piece(self._text_slot("thinking"), "thinking", thinking))
        content = delta.get("content")
        if isinstance(content, list):
            self._parts(content, heard)
        elif isinstance(content, str) and content:
            heard.append(Piece(self._text_slot("text"), "text", content))
        for call in delta.get("tool_calls") or ():
            self._call(call, heard)

    def _parts(self, parts: list[Json], heard: Heard) -> None:
        for part in parts:
            match part:
                case {"type": "text", "text": str(text)}:
                    heard.append(Piece(self._text_slot("text"), "text", text))
                case {"type": "thinking", "thinking": list(inner)}:
                    text = "".join(item.get("text") or "" for item in inner)
                    heard.append(Piece(self._text_slot("thinking"), "thinking", text))

    def _text_slot(self, kind: Kind) -> int:
        slot = self._texts.get(kind)
        if slot is None:
            slot = self._texts[kind] = self._next_slot()
        return slot

    def _next_slot(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _call(self, delta: Json, heard: Heard) -> None:
        function = delta.get("function") or {}
        name = function.get("name") or ""
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        call = self._find_call(delta.get("index"), delta.get("id") or "", name)
        if call.slot is not None:
            if arguments:
                heard.append(Piece(call.slot, "tool_use", arguments, call.call_id, call.name))
            return
        call.held.append(arguments)
        if name:
            self._name(call, name, heard)

    def _find_call(self, index: Any, call_id: str, name: str) -> _Call:
        """The call that a delta goes on with. One that has an id of its own and a name begins a call."""
        if index is None:
            index = call_id or (object() if name else self._latest)
        known = self._calls.get(index)
        if known is None or (name and known.name and call_id not in ("", known.call_id)):
            known = self._calls[index] = _Call(call_id or f"call_{uuid4().hex[:24]}")
        self._latest = index
        return known

    def _name(self, call: _Call, name: str, heard: Heard) -> None:
        call.name, call.slot = name, self._next_slot()
        heard.append(Piece(call.slot, "tool_use", "".join(call.held), call.call_id, name))
        call.held = []


def _usage(usage: Json) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    cached = count(details.get("cached_tokens")) or count(usage.get("prompt_cache_hit_tokens"))
    return Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")), cached)


def _reported(event: Json) -> Reported:
    error = event["error"]
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, int) and isinstance(error, dict):
        code = _STATUS_OF.get(str(code)) or _STATUS_OF.get(str(error.get("type")))
    return Reported(message_of(event), code)


def _tool_choice(choice: str) -> str | Json:
    return choice if choice in _CHOICES else {"type": "function", "function": {"name": choice}}
