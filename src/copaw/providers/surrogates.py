"""Halves of surrogate pairs: JSON can carry them, UTF-8 cannot.

A provider that cuts its answer by UTF-16 units sends the two halves of an emoji in two events. A half that stays alone
becomes U+FFFD, so that whatever was said can be stored, sent and answered.
"""

from __future__ import annotations

from copaw.providers.answer import Heard, Piece, Usage


def mended(text: str) -> str:
    """The text with its halves joined or replaced; mostly the very same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Joiner:
    """Mends the pieces of one answer; the first half of a pair at the end of a piece waits for the next one."""

    def __init__(self) -> None:
        self._held: dict[int, Piece] = {}

    def join(self, heard: Heard) -> Heard:
        """The pieces without halves; the very same list where there are none."""
        if not self._held and all(isinstance(item, Usage) or item.text.isascii() for item in heard):
            return heard
        return [item if isinstance(item, Usage) else self._joined(item) for item in heard]

    def _joined(self, piece: Piece) -> Piece:
        held = self._held.pop(piece.slot, None)
        text = piece.text if held is None else held.text + piece.text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._held[piece.slot] = piece._replace(text=text[-1], extra=None)
            text = text[:-1]
        return piece._replace(text=mended(text))

    def end(self) -> Heard:
        """What still waits, when nothing more comes."""
        rest: Heard = [piece._replace(text=mended(piece.text)) for piece in self._held.values()]
        self._held.clear()
        return rest
