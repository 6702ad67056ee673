"""What a model says, piece by piece, and the answer that the pieces make.

Every wire protocol is read into the same pieces, so that those who listen need to know none of them, and work for
a piece does not grow with what was said before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

from copaw.ports import Block, Json

CUT = "cut"
"""In ``extra`` of a call's piece and in its block: the answer reached its greatest length in the midst of it."""

Kind = Literal["text", "thinking", "tool_use"]


class Piece(NamedTuple):
    """Something new in one block of an answer.

    :param slot: the block: 0 for the first one that appeared, and so on.
    :param text: what is new of its text, its thinking, or the JSON text of a call's arguments.
    :param call_id: of ``tool_use``, in every piece, as is ``name``.
    :param extra: to be kept in the block, such as a signature the provider wants to see again.
    """

    slot: int
    kind: Kind
    text: str
    call_id: str = ""
    name: str = ""
    extra: Json | None = None


class Usage(NamedTuple):
    """Tokens of one call. ``input_tokens`` counts those that were cached too."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


def count(value: Any) -> int:
    """A number of tokens as providers give it: sometimes not at all."""
    return value if type(value) is int and value > 0 else 0


def is_sound(item: Piece | Usage) -> bool:
    """Whether what stands where a text should be is one."""
    if isinstance(item, Usage):
        return True
    return isinstance(item.text, str) and isinstance(item.call_id, str) and isinstance(item.name, str)


Heard: TypeAlias = list[Piece | Usage]
"""What one read from the network brought, in order."""


class Answer:
    """Collects pieces. :param usage: as the provider has last said."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._blocks: dict[int, _Block] = {}

    def add(self, heard: Iterable[Piece | Usage]) -> None:
        """Take in what is new."""
        for piece in heard:
            if isinstance(piece, Usage):
                self.usage = piece
                continue
            block = self._blocks.get(piece.slot)
            if block is None:
                block = self._blocks[piece.slot] = _Block(piece)
            block.parts.append(piece.text)
            if piece.extra:
                block.extra |= piece.extra

    def blocks(self) -> list[Block]:
        """The content so far, in the session format; arguments of calls are parsed, and mended if they must be."""
        return [block.content() for block in self._blocks.values()]


class _Block:
    __slots__ = ("extra", "first", "parts")

    def __init__(self, first: Piece) -> None:
        self.first = first
        self.parts: list[str] = []
        self.extra: Json = {}

    def content(self) -> Block:
        kind, text = self.first.kind, "".join(self.parts)
        if kind != "tool_use":
            return {"type": kind, kind: text, **self.extra}
        head = {"type": "tool_use", "id": self.first.call_id, "name": self.first.name}
        if CUT not in self.extra:
            return {**head, "input": parse_arguments(text), "raw_input": text, **self.extra}
        # Mending what was cut would make half of a file or of a command look like the whole.
        whole = _object(text)
        extra = {name: value for name, value in self.extra.items() if name != CUT or whole is None}
        return {**head, "input": whole or {}, "raw_input": text, **extra}


def parse_arguments(text: str) -> Json:
    """A call's arguments as an object. Models make mistakes in JSON; what can be mended is, else there are none."""
    value = _object(text)
    if value is not None:
        return value
    import json_repair

    mended: Any = json_repair.loads(text)
    return mended if isinstance(mended, dict) else {}


def _object(text: str) -> Json | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
