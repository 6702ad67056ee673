from __future__ import annotations

import pytest

from copaw.providers.answer import CUT, Answer, Piece, Usage, parse_arguments


def test_pieces_make_blocks_in_the_order_in_which_they_appeared() -> None:
    answer = Answer()
    answer.add([Piece(0, "thinking", "h"), Piece(1, "text", "He"), Piece(0, "thinking", "m", extra={"signature": "s"})])
    answer.add(
        [Piece(1, "text", "llo"), Piece(2, "tool_use", '{"a"', "c1", "f"), Piece(2, "tool_use", ": 1}", "c1", "f")]
    )
    answer.add([Usage(1, 1), Usage(7, 3, 2)])
    assert answer.blocks() == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}, "raw_input": '{"a": 1}'},
    ]
    assert answer.usage == (7, 3, 2)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1', {"a": 1}),
        ("{'a': 'x'}", {"a": "x"}),
        ('{"a": 1,}', {"a": 1}),
        ("[1]", {}),
        ("nothing like it", {}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(text: str, arguments: dict[str, object]) -> None:
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "arguments", "cut"), [('{"a": "x', {}, True), ('{"a": 1}', {"a": 1}, False), ("", {}, False)]
)
def test_a_call_that_was_cut_is_not_mended(text: str, arguments: dict[str, object], cut: bool) -> None:
    answer = Answer()
    answer.add([Piece(0, "tool_use", text, "c", "f"), Piece(0, "tool_use", "", "c", "f", {CUT: True})])
    (block,) = answer.blocks()
    assert block["input"] == arguments
    assert (CUT in block) is cut
