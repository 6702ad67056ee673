from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from copaw.tools.output import HeadTail

NOTICE = re.compile(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n")


def fed(chunks: list[bytes], limit: int) -> HeadTail:
    kept = HeadTail(limit)
    for chunk in chunks:
        kept.feed(chunk)
    return kept


@given(st.lists(st.binary(max_size=200)), st.integers(2, 300))
def test_what_fits_is_kept_whole(chunks: list[bytes], limit: int) -> None:
    data = b"".join(chunks)[:limit]
    assert fed([data[i : i + 7] for i in range(0, len(data), 7)], limit).text() == data.decode("utf-8", "replace")


@given(st.lists(st.text("ab\né漢🎈", max_size=60)), st.integers(2, 100))
def test_what_does_not_fit_keeps_head_and_tail_and_counts_the_rest(texts: list[str], limit: int) -> None:
    data = "".join(texts).encode()
    text = fed([text.encode() for text in texts], limit).text()
    if len(data) <= limit:
        assert text == data.decode()
        return
    notice = NOTICE.search(text)
    assert notice is not None
    head, tail = text[: notice.start()].encode(), text[notice.end() :].encode()
    assert data.startswith(head)
    assert data.endswith(tail)
    assert len(head) + len(tail) <= limit
    assert len(head) + int(notice[1]) + len(tail) == len(data)


@given(st.lists(st.binary(max_size=80)), st.integers(2, 50))
def test_any_bytes_stay_within_the_bound(chunks: list[bytes], limit: int) -> None:
    text = fed(chunks, limit).text()
    assert len(NOTICE.sub("", text, count=1)) <= limit


def test_memory_stays_bounded_while_a_stream_is_long() -> None:
    kept = HeadTail(100)
    for _ in range(10_000):
        kept.feed(b"x" * 99)
        assert len(kept._head) + len(kept._tail) <= 50 + 100
    assert kept.total_bytes == 990_000


def test_no_half_character_is_shown_at_the_cut() -> None:
    text = fed(["漢".encode() * 100], 20).text()
    assert "�" not in text
    assert text.startswith("漢漢漢\n[... 282 bytes left out ...]\n漢")
