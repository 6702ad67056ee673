"""Texts made shorter: their beginning and their end stay, and a note says what is missing and where it is."""

from __future__ import annotations

from typing import Any

from copaw.agents.context.tokens import blocks_of, size_bytes
from copaw.ports import Block

_HEAD_SHARE = 0.7


def shorten(text: str, max_bytes: int, where: str = "", whole_bytes: int | None = None) -> str:
    """``text`` in at most ``max_bytes`` bytes of UTF-8.

    No character is cut in two. A text that fits is returned as it is. Where the note alone is longer than
    ``max_bytes``, the shorter of it and ``text`` is returned.

    :param where: where the whole text is; part of the note.
    :param whole_bytes: the size of the whole, if ``text`` was shortened before.
    """
    size = size_bytes(text)
    if size <= max_bytes:
        return text
    note = _note(whole_bytes or size, where)
    room = max_bytes - size_bytes(note)
    if room <= 0:
        return min(text, note.strip(), key=size_bytes)
    data = text.encode("utf-8", "surrogatepass")
    head = int(room * _HEAD_SHARE)
    tail = room - head
    return f"{_decoded(data[: _before(data, head)])}{note}{_decoded(data[_after(data, size - tail) :])}"


def _note(size: int, where: str) -> str:
    whole = f"; the whole text is in {where}" if where else ""
    return f"\n[... shortened, it had {size} bytes{whole} ...]\n"


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _before(data: bytes, at: int) -> int:
    """The last border between characters up to ``at``."""
    while at > 0 and _is_inside(data, at):
        at -= 1
    return at


def _after(data: bytes, at: int) -> int:
    """The first border between characters from ``at`` on."""
    while at < len(data) and _is_inside(data, at):
        at += 1
    return at


def _is_inside(data: bytes, at: int) -> bool:
    return at < len(data) and data[at] & 0xC0 == 0x80


def result_text(output: Any) -> str:
    """The text of a tool's result, which is a text or a list of blocks."""
    if isinstance(output, str):
        return output
    return "\n".join(str(block.get("text") or "") for block in blocks_of(output) if block.get("type") == "text")


def with_text(output: Any, text: str) -> str | list[Block]:
    """A tool's result with another text; what is no text in it stays."""
    if isinstance(output, str):
        return text
    return [{"type": "text", "text": text}, *(block for block in blocks_of(output) if block.get("type") != "text")]
