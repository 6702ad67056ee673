"""Google's Gemini API: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

from copaw.ports import Json
from copaw.providers.answer import Heard, Kind, Piece, Usage, count
from copaw.providers.encoding import encode
from copaw.providers.failures import NotTheProtocol, Reported, message_of
from copaw.providers.provider_model import CallSettings, Question
from copaw.providers.transport import HttpRequest

_OF_THE_REQUEST = ("safetySettings", "cachedContent", "labels")
_RENAMED = {"max_tokens": "maxOutputTokens", "stop": "stopSequences", "n": "candidateCount"}
_FINE = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED")
_WITHOUT_SIGNATURES = ("gemini-1", "gemini-2", "gemma")
"""Models that do not insist on signed calls; later ones do, whatever they are called."""
_UNSIGNED = "skip_thought_signature_validator"
"""Stands, by Google's leave, for the signature of a call that another model made."""


class GeminiWire:
    """See :class:`copaw.providers.provider_model.Wire`."""

    def request(self, settings: CallSettings, question: Question) -> HttpRequest:
        contents, model = question.messages, question.model.removeprefix("models/")
        body: Json = {}
        if contents and contents[0]["role"] == "system":
            body["systemInstruction"], contents = {"parts": contents[0]["parts"]}, contents[1:]
        body["contents"] = contents if model.startswith(_WITHOUT_SIGNATURES) else _signed(contents)
        if question.tools:
            body["tools"] = [{"functionDeclarations": [_function(schema["function"]) for schema in question.tools]}]
            if question.tool_choice:
                body["toolConfig"] = {"functionCallingConfig": _choice(question.tool_choice)}
        body |= _generation(settings.generate_kwargs)
        path = f"/v1beta/models/{quote(model, safe='')}:streamGenerateContent?alt=sse"
        return settings.post(path, {"x-goog-api-key": settings.info.api_key}, encode(body))

    def reader(self) -> GeminiReader:
        return GeminiReader()


class GeminiReader:
    """See :class:`copaw.providers.provider_model.Reader`."""

    def __init__(self) -> None:
        self.complete = False
        self.over = False
        self._slots = 0
        self._kind: Kind | None = None

    def read(self, event: Json, heard: Heard) -> None:
        if event.get("error"):
            raise _reported(event)
        blocked = (event.get("promptFeedback") or {}).get("blockReason")
        if blocked:
            raise Reported(f"the request was blocked ({blocked})")
        for candidate in event.get("candidates") or ():
            if candidate.get("index") in (0, None):
                self._candidate(candidate, heard)
        if usage := event.get("usageMetadata"):
            heard.append(_usage(usage))

    def whole(self, body: Any, heard: Heard) -> None:
        events = body if isinstance(body, list) else [body]
        for event in events:
            if not event.get("error") and "candidates" not in event and "promptFeedback" not in event:
                raise NotTheProtocol(f"it has no candidates ({message_of(event)})")
            self.read(event, heard)

    def end(self, heard: Heard) -> None:
        """Nothing is kept back."""

    def _candidate(self, candidate: Json, heard: Heard) -> None:
        for part in (candidate.get("content") or {}).get("parts") or ():
            self._part(part, heard)
        reason = candidate.get("finishReason")
        if reason:
            if not self._slots and reason not in _FINE:
                raise Reported(f"the model gave no answer ({reason})")
            self.complete = True

    def _part(self, part: Json, heard: Heard) -> None:
        signature = part.get("thoughtSignature")
        extra = {"thought_signature": signature} if signature else None
        if call := part.get("functionCall"):
            arguments = encode(call.get("args") or {}).decode()
            call_id = call.get("id") or f"call_{uuid4().hex[:24]}"
            self._kind = "tool_use"
            heard.append(Piece(self._next_slot(), "tool_use", arguments, call_id, call["name"], extra))
        elif part.get("text") or (signature and self._kind == "text"):
            kind: Kind = "thinking" if part.get("thought") else "text"
            if kind != self._kind:
                self._kind, _ = kind, self._next_slot()
            heard.append(Piece(self._slots - 1, kind, part.get("text") or "", extra=extra))

    def _next_slot(self) -> int:
        self._slots += 1
        return self._slots - 1


def _usage(usage: Json) -> Usage:
    said = count(usage.get("candidatesTokenCount")) + count(usage.get("thoughtsTokenCount"))
    return Usage(count(usage.get("promptTokenCount")), said, count(usage.get("cachedContentTokenCount")))


def _signed(contents: list[Json]) -> list[Json]:
    """The first call of each turn must be signed; one that another model made is not."""
    return [{**content, "parts": _first_call_signed(content["parts"])} for content in contents]


def _first_call_signed(parts: list[Json]) -> list[Json]:
    place = next((place for place, part in enumerate(parts) if "functionCall" in part), None)
    if place is None or "thoughtSignature" in parts[place]:
        return parts
    return [*parts[:place], {**parts[place], "thoughtSignature": _UNSIGNED}, *parts[place + 1 :]]


def _function(function: Json) -> Json:
    declared = {"name": function["name"], "description": function.get("description") or ""}
    if (function.get("parameters") or {}).get("properties"):
        declared["parametersJsonSchema"] = function["parameters"]
    return declared


def _choice(choice: str) -> Json:
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    return {"mode": modes[choice]} if choice in modes else {"mode": "ANY", "allowedFunctionNames": [choice]}


def _generation(kwargs: Json) -> Json:
    """Settings may be named as elsewhere (``max_tokens``, ``top_p``) or as here (``maxOutputTokens``, ``topP``)."""
    named = {_RENAMED.get(name) or _camel(name): value for name, value in kwargs.items()}
    own = {name: named.pop(name) for name in _OF_THE_REQUEST if name in named}
    return {**own, "generationConfig": named} if named else own


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _reported(event: Json) -> Reported:
    code = event["error"].get("code") if isinstance(event["error"], dict) else None
    return Reported(message_of(event), code if isinstance(code, int) else None)
