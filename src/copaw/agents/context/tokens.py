"""How large messages are for a model, estimated from their bytes: no tokenizer is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from copaw.ports import Block, Json

MEDIA_TOKENS = 1000
"""An image, a sound or a film: what it costs does not depend on its bytes."""
MESSAGE_TOKENS = 4
"""The role and the borders of a message."""
MAX_FACTOR = 4.0
_LEAST_TO_LEARN_FROM = 200
_STILL_FITS = 0.75


class TokenMeter:
    """Estimates, and by how much the model itself counts more. One for all turns on one model.

    :param divisor: bytes of UTF-8 a token.
    Estimates are without the correction, so that one that is remembered stays comparable.
    """

    def __init__(self, divisor: float) -> None:
        self._divisor = divisor
        self._learned = 1.0
        self._least = 1.0
        self._schemas: Sequence[Json] = ()
        self._schemas_bytes = 0

    def learn(self, estimated: int, reported: int) -> None:
        """Compare an estimate with the count that the model reported for the same prompt.

        Only a count that is too low does harm, so an estimate is never corrected downwards.
        """
        if estimated >= _LEAST_TO_LEARN_FROM and reported > 0:
            self._learned = min(max(reported / estimated, 1.0), MAX_FACTOR)

    def overflowed(self, estimated: int, window: int) -> None:
        """A prompt of this estimate was more than the model takes: from now on a smaller one fills the window."""
        self._least = max(self._least, window / max(_STILL_FITS * estimated, 1.0))

    @property
    def factor(self) -> float:
        """How many tokens of the window one token of an estimate takes, at least 1."""
        return max(self._learned, self._least)

    def text(self, text: str) -> int:
        """A text."""
        return self._tokens(size_bytes(text))

    def message(self, content: str | Sequence[Block]) -> int:
        """A message. Thinking is not counted: it is not sent back to the model."""
        if isinstance(content, str):
            return MESSAGE_TOKENS + self.text(content)
        return MESSAGE_TOKENS + sum(self._block(block) for block in content)

    def schemas(self, schemas: Sequence[Json]) -> int:
        """What the model is told of its tools. Measured once while it is the same object."""
        if schemas is not self._schemas:
            self._schemas, self._schemas_bytes = schemas, size_bytes(_json(schemas))
        return self._tokens(self._schemas_bytes)

    def _block(self, block: Block) -> int:
        match block.get("type"):
            case "text":
                return self.text(str(block.get("text") or ""))
            case "tool_use":
                return self.text(str(block.get("name")) + _json(block.get("input") or {}))
            case "tool_result":
                output = block.get("output")
                return self.text(output) if isinstance(output, str) else sum(map(self._block, blocks_of(output)))
            case "image" | "audio" | "video":
                return MEDIA_TOKENS
            case _:
                return 0

    def _tokens(self, size: int) -> int:
        return int(size / self._divisor) + 1 if size else 0


def blocks_of(output: Any) -> list[Block]:
    """The blocks of a tool's result. Session files come from elsewhere, too: what is no block is left out."""
    return [block for block in output if isinstance(block, dict)] if isinstance(output, list) else []


def size_bytes(text: str) -> int:
    """The length of a text as UTF-8; half an emoji counts, too."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
