"""From the messages of a run to what a channel sends."""

from __future__ import annotations

import json
from typing import Any

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import text_part
from copaw.config.models import BaseChannelConfig
from copaw.ports import Json

MAX_TOOL_CHARS = 500
"""Longer arguments and results of tools are cut: a chat is no log."""

_ADDRESSES = {"image": "image_url", "video": "video_url", "audio": "data", "file": "file_url"}


def notice(text: str) -> Json:
    """A message that says something in place of the agent."""
    return {"type": "message", "content": [text_part(text)]}


def render(channel: BaseChannel, message: Json) -> list[Json]:
    """The content items to send for one completed message; empty if the channel's settings hide it."""
    config: BaseChannelConfig = channel.config
    parts = _parts(config, message)
    if not channel.sends_media:
        parts = [part if part["type"] == "text" else text_part(_as_line(part)) for part in parts]
    parts = _prefixed(parts, config.bot_prefix)
    if channel.max_text_chars is None:
        return parts
    return [piece for part in parts for piece in _cut(part, channel.max_text_chars)]


def _parts(config: BaseChannelConfig, message: Json) -> list[Json]:
    kind, content = message.get("type"), message.get("content") or []
    match kind:
        case "message":
            return [_plain(item) for item in content if item.get("type") != "text" or item.get("text")]
        case "reasoning" if not config.filter_thinking:
            return [text_part(f"💭 {item['text']}") for item in content if item.get("text")]
        case "plugin_call" | "mcp_call" if not config.filter_tool_messages:
            return [text_part(_call(item.get("data") or {})) for item in content]
        case "plugin_call_output" | "mcp_call_output" if not config.filter_tool_messages:
            return [text_part(_result(item.get("data") or {})) for item in content]
        case _:
            return []


def _plain(item: Json) -> Json:
    """An item without what only a stream needs."""
    return {key: value for key, value in item.items() if key in ("type", "text", "format", "filename", "refusal")
            or key in _ADDRESSES.values()}  # fmt: skip


def _call(data: Json) -> str:
    return f"🔧 {data.get('name')} {_short(str(data.get('arguments') or ''))}".rstrip()


def _result(data: Json) -> str:
    return f"✔ {data.get('name')}: {_short(_output_text(data.get('output')))}"


def _output_text(output: Any) -> str:
    try:
        blocks = json.loads(output)
        return "\n".join(block["text"] for block in blocks if block.get("type") == "text")
    except (TypeError, ValueError, KeyError, AttributeError):
        return str(output)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TOOL_CHARS else f"{text[:MAX_TOOL_CHARS]}…"


def _as_line(part: Json) -> str:
    kind = str(part["type"])
    if kind == "refusal":
        return str(part.get("refusal") or "")
    address = str(part.get(_ADDRESSES.get(kind, ""), ""))
    # Inline data is no address that a person could open.
    shown = part.get("filename") or kind if address.startswith("data:") else address
    return f"[{kind}] {shown}"


def _prefixed(parts: list[Json], prefix: str) -> list[Json]:
    for position, part in enumerate(parts):
        if prefix and part["type"] == "text":
            return [*parts[:position], {**part, "text": f"{prefix}{part['text']}"}, *parts[position + 1 :]]
    return parts


def _cut(part: Json, limit: int) -> list[Json]:
    text = part.get("text")
    if part["type"] != "text" or text is None or len(text) <= limit:
        return [part]
    pieces = []
    while len(text) > limit:
        # At a line's end if there is one in the second half, so that words stay whole where that is cheap.
        at = text.rfind("\n", limit // 2, limit) + 1 or limit
        pieces.append(text_part(text[:at]))
        text = text[at:]
    return [*pieces, text_part(text)] if text else pieces
