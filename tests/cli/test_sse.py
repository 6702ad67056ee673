from __future__ import annotations

from copaw.cli.sse import read_events


def _read(text: str) -> list[object]:
    return list(read_events(line.encode() for line in text.splitlines(keepends=True)))


def test_frames_become_objects() -> None:
    assert _read('data: {"a": 1}\n\nid: 7\ndata: {"b": 2}\n\n') == [{"a": 1}, {"b": 2}]


def test_comments_ids_and_carriage_returns_do_not_disturb() -> None:
    assert _read(': keep-alive\r\n\r\nevent: x\r\ndata:{"a":1}\r\n\r\n') == [{"a": 1}]


def test_data_over_several_lines_is_one_object() -> None:
    assert _read('data: {"a":\ndata: 1}\n\n') == [{"a": 1}]


def test_an_unfinished_frame_and_foreign_words_are_left_out() -> None:
    assert _read('data: [DONE]\n\ndata: nonsense\n\ndata: {"a": 1}\n') == []
