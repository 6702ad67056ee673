"""Messages for Anthropic's Messages API: https://docs.claude.com/en/api/messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agentscope.formatter import FormatterBase
from agentscope.message import Msg

from copaw.ports import Block, Json
from copaw.providers.conversation import Senses, conversation

_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_CACHED = {"type": "ephemeral"}


class AnthropicFormatter(FormatterBase):  # type: ignore[misc]
    """:param senses: what the model takes now."""

    def __init__(self, senses: Callable[[], Senses] = Senses) -> None:
        self._senses = senses

    async def format(self, msgs: list[Msg]) -> list[Json]:
        """One message for the system if there is one, then user and assistant in turns, beginning with the user.

        The end of the system prompt and of the conversation are marked for the provider's cache.
        """
        messages: list[Json] = []
        for turn in await conversation(msgs, self._senses()):
            role = "user" if turn.role == "tool" else turn.role
            if role == "system" and messages:
                role = "user"
            content = [part for block in turn.blocks for part in _parts(block)]
            if not content:
                continue
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += content
            else:
                messages.append({"role": role, "content": content})
        first = 1 if messages and messages[0]["role"] == "system" else 0
        if len(messages) > first and messages[first]["role"] != "user":
            messages.insert(first, {"role": "user", "content": [{"type": "text", "text": "[Go on.]"}]})
        for message in [*messages[:first], *messages[first:][-1:]]:
            _cache(message["content"])
        return messages


def _cache(content: list[Json]) -> None:
    if content[-1]["type"] not in ("thinking", "redacted_thinking"):
        content[-1] = {**content[-1], "cache_control": _CACHED}


def _parts(block: Block) -> list[Json]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [{"type": "text", "text": text}]
        case {"type": "thinking", "redacted": str(data)}:
            return [{"type": "redacted_thinking", "data": data}]
        case {"type": "thinking", "thinking": str(thinking), "signature": str(signature)}:
            return [{"type": "thinking", "thinking": thinking, "signature": signature}]
        case {"type": "tool_use"}:
            call = {"id": plain_id(block["id"]), "name": block["name"], "input": block.get("input") or {}}
            return [{"type": "tool_use", **call}]
        case {"type": "tool_result"}:
            content: list[Any] = [{"type": "text", "text": block["text"]}] if block["text"] else []
            content += [part for media in block["media"] for part in _parts(media)]
            return [{"type": "tool_result", "tool_use_id": plain_id(block["id"]), "content": content}]
        case {"type": "image"}:
            return [{"type": "image", "source": _source(block)}]
        case {"type": "audio" | "video" as kind}:
            return [
                {"type": "text", "text": f"[{kind} {block.get('url', 'inline')}: not shown, no model here takes it]"}
            ]
        case _:
            return []  # thinking of another provider


def _source(block: Block) -> Json:
    if "url" in block:
        return {"type": "url", "url": block["url"]}
    return {"type": "base64", "media_type": block["media_type"], "data": block["data"]}


def plain_id(call_id: str) -> str:
    """An id of a call that came from another provider, in the letters allowed here."""
    return _NOT_IN_AN_ID.sub("_", call_id)
