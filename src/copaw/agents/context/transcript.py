"""A conversation as text, for a model that summarises it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from copaw.agents.context.shorten import result_text, shorten
from copaw.agents.context.tokens import size_bytes
from copaw.ports import Block

MAX_TEXT_BYTES = 8_000
MAX_TOOL_BYTES = 2_000
_MARGIN = "| "
"""Before each line: what was said cannot be taken for what is asked."""


def transcript(role: str, content: str | Sequence[Block], *, thinking: bool) -> str:
    """One message, each line after a margin; empty if it says nothing."""
    blocks: Sequence[Block] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    said = [text for block in blocks if (text := _said(role, block, thinking))]
    return "\n".join(_MARGIN + line for text in said for line in text.splitlines())


def _said(role: str, block: Block, thinking: bool) -> str:
    match block.get("type"):
        case "text" if block.get("text"):
            return f"{role}: {shorten(str(block['text']), MAX_TEXT_BYTES)}"
        case "thinking" if thinking and block.get("thinking"):
            return f"{role}, thinking: {shorten(str(block['thinking']), MAX_TOOL_BYTES)}"
        case "tool_use":
            arguments = json.dumps(block.get("input") or {}, ensure_ascii=False, default=str)
            return f"{role} calls {block.get('name')}: {shorten(arguments, MAX_TOOL_BYTES)}"
        case "tool_result":
            output = shorten(result_text(block.get("output") or ""), MAX_TOOL_BYTES)
            return f"result of {block.get('name')}: {output}"
        case "image" | "audio" | "video" | "file" as kind:
            return f"{role}: [{kind}]"
        case _:
            return ""


def parts(texts: Iterable[str], max_bytes: int) -> Iterator[str]:
    """Texts joined to parts of at most ``max_bytes`` bytes; a text that is longer by itself is shortened."""
    held: list[str] = []
    size = 0
    for text in texts:
        fitting = shorten(text, max_bytes)
        length = size_bytes(fitting) + 1
        if held and size + length > max_bytes:
            yield "\n".join(held)
            held, size = [], 0
        held.append(fitting)
        size += length
    if held:
        yield "\n".join(held)
