"""Messages for OpenAI's chat completions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from agentscope.formatter import FormatterBase
from agentscope.message import Msg

from copaw.ports import Block, Json
from copaw.providers.conversation import Senses, Turn, conversation


class OpenAIFormatter(FormatterBase):  # type: ignore[misc]
    """:param senses: what the model takes now.
    :param thinks_on: the provider wants to see again what the model thought before its latest calls.
    """

    def __init__(self, senses: Callable[[], Senses] = Senses, *, thinks_on: bool = False) -> None:
        self._senses = senses
        self._thinks_on = thinks_on

    async def format(self, msgs: list[Msg]) -> list[Json]:
        """Messages in the order of the protocol: the results of calls directly behind them."""
        turns = await conversation(msgs, self._senses())
        latest = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=-1)
        messages: list[Json] = []
        for place, turn in enumerate(turns):
            match turn.role:
                case "tool":
                    messages += _results(turn)
                case "assistant":
                    messages += _said(turn, thinking=self._thinks_on and place > latest)
                case _:
                    messages.append({"role": turn.role, "content": _content(turn.blocks)})
        return messages


def _said(turn: Turn, *, thinking: bool) -> list[Json]:
    calls = [_call(block) for block in turn.blocks if block["type"] == "tool_use"]
    text = turn.texts()
    if not calls and not text:
        return []
    message: Json = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = calls
        if thinking:
            thoughts = (block["thinking"] for block in turn.blocks if block["type"] == "thinking")
            message["reasoning_content"] = "".join(thoughts)
    return [message]


def _call(block: Block) -> Json:
    arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _results(turn: Turn) -> list[Json]:
    """Results are text alone; what is to be seen follows as if the user had sent it."""
    messages: list[Json] = []
    seen: list[Block] = []
    for block in turn.blocks:
        messages.append({"role": "tool", "tool_call_id": block["id"], "content": block["text"]})
        if block["media"]:
            seen += [{"type": "text", "text": f"[Result of {block['name']}]"}, *block["media"]]
    if seen:
        messages.append({"role": "user", "content": _content(seen)})
    return messages


def _content(blocks: list[Block]) -> Any:
    parts = [_part(block) for block in blocks if block["type"] != "thinking"]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(block: Block) -> Json:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "audio", "data": str(data), "media_type": str(media_type)}:
            kind = media_type.removeprefix("audio/").removeprefix("x-")
            return {"type": "input_audio", "input_audio": {"data": data, "format": {"mpeg": "mp3"}.get(kind, kind)}}
        case {"type": "audio", "url": str(url)}:
            return {"type": "text", "text": f"[audio {url}]"}
        case _:
            kind = f"{block['type']}_url"
            url = block.get("url") or f"data:{block['media_type']};base64,{block['data']}"
            return {"type": kind, kind: {"url": url}}
