"""Lines come out as they went in, however they are cut; garbage is bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.app.mcp.lines import Garbage, GarbageError, Lines

TEXT = st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=20)


@given(lines=st.lists(TEXT, max_size=10), cuts=st.integers(1, 7))
def test_any_cut_gives_the_same_lines(lines: list[str], cuts: int) -> None:
    data = b"".join(line.encode() + b"\n" for line in lines)
    found, cutter = [], Lines()
    for start in range(0, len(data), cuts):
        found.extend(cutter.feed(data[start : start + cuts]))
    assert [line.decode() for line in found] == lines


def test_a_long_line_takes_linear_time() -> None:
    cutter, chunk = Lines(), b"x" * 65536
    began = time.perf_counter()
    for _ in range(800):
        assert not list(cutter.feed(chunk))
    assert len(next(iter(cutter.feed(b"\n")))) == 800 * 65536
    assert time.perf_counter() - began < 1.0


def test_a_line_without_an_end_is_an_error() -> None:
    cutter = Lines(limit_bytes=10)
    with pytest.raises(GarbageError):
        list(cutter.feed(b"x" * 11))


def test_a_little_garbage_is_counted_and_a_flood_is_an_error() -> None:
    garbage = Garbage(limit_bytes=20)
    garbage.add(b"   ")
    assert garbage.sentence == ""
    garbage.add(b"hello \xff")
    assert garbage.sentence == "The server printed 1 lines that are no JSON-RPC, first: 'hello \ufffd'."
    with pytest.raises(GarbageError):
        garbage.add(b"x" * 20)
