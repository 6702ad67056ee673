"""Texts made shorter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from copaw.agents.context.shorten import result_text, shorten, with_text
from copaw.agents.context.tokens import size_bytes

# Characters of one to four bytes, and half an emoji.
texts = st.text(st.sampled_from("ab\nß€漢🙂\ud83d"), max_size=600)
NOTE_BYTES = 120


@given(texts, st.integers(0, 1000))
def test_the_result_fits_and_loses_no_half_of_a_character(text: str, limit: int) -> None:
    shorter = shorten(text, limit, "tool_results/x.txt")
    assert size_bytes(shorter) <= max(limit, NOTE_BYTES)
    assert size_bytes(shorter) <= size_bytes(text)
    assert "\ufffd" not in shorter


@given(texts, st.integers(NOTE_BYTES, 1000))
def test_beginning_and_end_stay(text: str, limit: int) -> None:
    shorter = shorten(text, limit, "here")
    if size_bytes(text) <= limit:
        assert shorter == text
        return
    head, note, tail = shorter.partition(
        f"\n[... shortened, it had {size_bytes(text)} bytes; the whole text is in here ...]\n"
    )
    assert note
    assert text.startswith(head)
    assert text.endswith(tail)
    assert size_bytes(shorter) > limit - 2 * 4


@given(texts, st.integers(0, 1000), st.integers(0, 1000))
def test_shortening_again_changes_nothing_or_cuts_more_of_the_same_text(text: str, first: int, second: int) -> None:
    size = size_bytes(text)
    once = shorten(text, first, "here", size)
    assert shorten(once, first, "here", size) == once
    twice = shorten(once, second, "here", size)
    if second < first and size_bytes(once) > NOTE_BYTES + 8 and second > NOTE_BYTES:
        assert twice.count("[... shortened") == (size > second)


def test_a_result_is_a_text_or_blocks() -> None:
    image = {"type": "image", "source": {}}
    blocks = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    assert result_text("plain") == "plain"
    assert result_text(blocks) == "a\nb"
    assert with_text("plain", "short") == "short"
    assert with_text(blocks, "short") == [{"type": "text", "text": "short"}, image]
