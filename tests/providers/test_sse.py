from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.providers import sse
from copaw.providers.sse import SseDecoder

STREAM = (
    b'\xef\xbb\xbf: hello\r\nevent: x\r\ndata: {"a": 1}\r\n\r\n'
    b"data:no blank\n\n\n\nid: 7\ndata: two\ndata: lines\n\nretry: 10\n\ndata: \xc3\xa9\n\ndata: [DONE]"
)
EVENTS = [b'{"a": 1}', b"no blank", b"two\nlines", b"\xc3\xa9", b"[DONE]"]


@given(st.lists(st.integers(3, len(STREAM)), max_size=30))
def test_events_are_the_same_wherever_the_network_cuts(cuts: list[int]) -> None:
    decoder = SseDecoder()
    chunks = [STREAM[a:b] for a, b in pairwise([0, *sorted(cuts), len(STREAM)])]
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    assert [*events, *decoder.end()] == EVENTS
    assert decoder.found


def test_what_has_no_data_is_no_event() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"<html>\n\n: ping\n\n") == []
    assert decoder.end() == []
    assert not decoder.found


def test_an_event_may_be_long_but_not_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    decoder = SseDecoder()
    for _ in range(100):
        assert decoder.feed(b"data: " + b"x" * 900 + b"\n\n") == [b"x" * 900]
    for _ in range(10):
        decoder.feed(b"x" * 100)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        decoder.feed(b"x")
