"""The wire protocols that the scripted model server speaks, beside OpenAI's.

===============================================  ===========================================================
``POST /v1/chat/completions``                    OpenAI: https://platform.openai.com/docs/api-reference/chat
``POST /v1/messages``                            Anthropic: https://docs.claude.com/en/api/messages-streaming
``POST /v1beta/models/M:streamGenerateContent``  Gemini: https://ai.google.dev/api/generate-content
===============================================  ===========================================================

The lists of models are at ``/v1/models`` (OpenAI and Anthropic), ``/v1beta/models`` and ``/api/tags`` (Ollama).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

from copaw.ports import Json
from copaw.providers.directives import Turn, results_text

SIGNATURE = "c2lnbmVk"
_numbers = count(1)

LISTS: dict[str, Json] = {
    "/v1/models": {
        "object": "list",
        "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "copaw", "display_name": "Scripted"}],
        "has_more": False,
    },
    "/v1beta/models": {
        "models": [
            {"name": "models/scripted", "displayName": "Scripted", "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embed", "displayName": "Embed", "supportedGenerationMethods": ["embedContent"]},
        ]
    },
    "/api/tags": {"models": [{"name": "scripted:latest", "model": "scripted:latest", "size": 1}]},
}

Named = tuple[str, Json]
"""The name of an event, empty if the protocol has none, and its data."""


@dataclass(slots=True)
class Events:
    """A streamed answer. :param pieces: what a script may delay or cut."""

    head: list[Named] = field(default_factory=list)
    pieces: list[Named] = field(default_factory=list)
    tail: list[Named] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol.

    :param understood: a request's messages and tools, as OpenAI has them; raises if it is no such request.
    :param events: a streamed answer; ``None`` for OpenAI's, which the server makes itself.
    """

    understood: Callable[[Json], tuple[list[Json], list[Json]]]
    events: Callable[[Turn, Json], Events] | None = None


def dialect_of(path: str) -> Dialect | None:
    """The protocol that is spoken at a path."""
    match path:
        case "/v1/chat/completions":
            return Dialect(lambda body: (body["messages"], body.get("tools") or []))
        case "/v1/messages":
            return Dialect(_anthropic_request, _anthropic_events)
        case _ if path.startswith("/v1beta/models/") and path.endswith(":streamGenerateContent"):
            return Dialect(_gemini_request, _gemini_events)
    return None


def answer_of(turn: Turn) -> str:
    """What is answered when the script does not say it."""
    text = results_text(turn.results) if turn.results else f"Echo: {turn.script.text}"
    return text + turn.unknown_tools()


# -- Anthropic -----------------------------------------------------------------------------------------------------


def _anthropic_request(body: Json) -> tuple[list[Json], list[Json]]:
    if not body["max_tokens"] or body["messages"][0]["role"] != "user":
        raise ValueError("max_tokens is missing, or the user does not begin")
    roles = [message["role"] for message in body["messages"]]
    if any(role == after for role, after in pairwise(roles)):
        raise ValueError("roles do not alternate")
    messages = [part for message in body["messages"] for part in _anthropic_message(message)]
    return messages, [{"type": "function", "function": {"name": tool["name"]}} for tool in body.get("tools") or ()]


def _anthropic_message(message: Json) -> list[Json]:
    results: list[Json] = []
    texts: list[str] = []
    calls: list[Json] = []
    for part in message["content"]:
        match part["type"]:
            case "tool_result":
                results.append({"role": "tool", "tool_call_id": part["tool_use_id"], "content": part["content"]})
            case "tool_use":
                calls.append({"id": part["id"]})
            case "text" if part["text"]:
                texts.append(part["text"])
            case "image" | "thinking" | "redacted_thinking":
                pass
            case other:
                raise ValueError(f"a block {other!r}, or an empty text")
    said = [{"role": message["role"], "content": "\n".join(texts), "tool_calls": calls}] if texts or calls else []
    return [*results, *said]


def _anthropic_events(turn: Turn, body: Json) -> Events:
    usage = {"input_tokens": len(body["messages"]), "cache_read_input_tokens": 2, "output_tokens": 1}
    message = {"id": f"msg_{next(_numbers)}", "type": "message", "role": "assistant", "content": [], "usage": usage}
    pieces: list[Named] = []
    for index, (block, deltas) in enumerate(_anthropic_blocks(turn)):
        pieces.append(_named({"type": "content_block_start", "index": index, "content_block": block}))
        pieces += [_named({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        pieces.append(_named({"type": "content_block_stop", "index": index}))
    reason = "end_turn" if turn.call is None else "tool_use"
    done = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": len(pieces)}}
    head = [_named({"type": "message_start", "message": message}), _named({"type": "ping"})]
    return Events(head, pieces, [_named(done), _named({"type": "message_stop"})])


def _anthropic_blocks(turn: Turn) -> list[tuple[Json, list[Json]]]:
    blocks: list[tuple[Json, list[Json]]] = []
    if turn.script.think:
        words = [{"type": "thinking_delta", "thinking": f"{word} "} for word in turn.script.think.split()]
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [*words, signed]))
    if turn.call is None:
        texts = [{"type": "text_delta", "text": piece} for piece in turn.chunks(answer_of(turn))]
        return [*blocks, ({"type": "text", "text": ""}, texts)]
    arguments = json.dumps(turn.call.arguments)
    halves = ("", arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :])
    use = {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": turn.call.tool, "input": {}}
    return [*blocks, (use, [{"type": "input_json_delta", "partial_json": half} for half in halves])]


def _named(data: Json) -> Named:
    return data["type"], data


# -- Gemini --------------------------------------------------------------------------------------------------------


def _gemini_request(body: Json) -> tuple[list[Json], list[Json]]:
    messages: list[Json] = []
    for content in body["contents"]:
        parts = content["parts"]
        results = [part["functionResponse"]["response"]["result"] for part in parts if "functionResponse" in part]
        messages += [{"role": "tool", "content": result} for result in results]
        texts = [part["text"] for part in parts if "text" in part]
        calls = [part for part in parts if "functionCall" in part]
        if any("thoughtSignature" not in call for call in calls[:1]):
            raise ValueError("the first call of a turn has no signature")
        if texts or calls:
            role = {"user": "user", "model": "assistant"}[content["role"]]
            messages.append({"role": role, "content": "\n".join(texts), "tool_calls": calls})
    declared = [function for tool in body.get("tools") or () for function in tool["functionDeclarations"]]
    return messages, [{"type": "function", "function": {"name": function["name"]}} for function in declared]


def _gemini_events(turn: Turn, body: Json) -> Events:
    parts: list[Json] = []
    if turn.script.think:
        parts += [{"text": f"{word} ", "thought": True} for word in turn.script.think.split()]
    if turn.call is not None:
        call = {"name": turn.call.tool, "args": turn.call.arguments}
        parts.append({"functionCall": call, "thoughtSignature": SIGNATURE})
    else:
        parts += [{"text": piece} for piece in turn.chunks(answer_of(turn))]
    usage = {"promptTokenCount": len(body["contents"]), "candidatesTokenCount": len(parts), "thoughtsTokenCount": 1}
    tail = [("", {**_candidate([], "STOP"), "usageMetadata": usage})]
    return Events(pieces=[("", _candidate([part])) for part in parts], tail=tail)


def _candidate(parts: list[Json], finish: str | None = None) -> Json:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})]}
