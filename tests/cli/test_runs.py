from __future__ import annotations

import re

import pytest

from copaw.cli import runs


def test_a_session_id_names_both_agents_the_time_and_chance() -> None:
    first, second = runs.new_session_id("a", "b"), runs.new_session_id("a", "b")
    assert re.fullmatch(r"a:to:b:\d{13}:[0-9a-f]{8}", first)
    assert first != second


@pytest.mark.parametrize("text", ["[Agent x requesting] hi", "[Agent X] hi", "[来自智能体 x] 你好", "  [Agent y] hi"])
def test_a_signed_text_is_not_signed_again(text: str) -> None:
    assert runs.signed("me", text) == text


def test_an_unsigned_text_is_signed() -> None:
    assert runs.signed("me", "hi [Agent x]") == "[Agent me requesting] hi [Agent x]"


def test_the_last_message_with_text_is_the_answer() -> None:
    def message(kind: str, *texts: str) -> dict[str, object]:
        return {"type": kind, "content": [{"type": "text", "text": text} for text in texts]}

    output = [
        message("message", "first"),
        message("message", "se", "cond"),
        message("message"),
        message("reasoning", "no"),
    ]
    assert runs.answer_text({"output": output}) == "second"
    assert runs.answer_text({"output": None}) == ""


def test_deltas_leave_out_thinking_and_tool_calls_and_part_messages() -> None:
    events = [
        {"object": "message", "type": "reasoning", "id": "r"},
        {"object": "content", "type": "text", "msg_id": "r", "delta": True, "text": "hmm"},
        {"object": "message", "type": "message", "id": "a"},
        {"object": "content", "type": "text", "msg_id": "a", "delta": True, "text": "on"},
        {"object": "content", "type": "text", "msg_id": "a", "delta": False, "text": "one"},
        {"object": "content", "type": "data", "msg_id": "t", "delta": False, "data": {}},
        {"object": "message", "type": "message", "id": "b"},
        {"object": "content", "type": "text", "msg_id": "b", "delta": False, "text": "two"},
    ]
    deltas = runs.Deltas()
    assert [text for text in map(deltas.feed, events) if text] == ["on", "e", "\ntwo"]


def test_a_refused_request_is_a_failed_run() -> None:
    with pytest.raises(runs.RunFailed, match="already running"):
        runs.last_response([{"error": "Session is already running"}])


def test_a_stream_that_just_ends_is_a_failed_run() -> None:
    with pytest.raises(runs.RunFailed, match="ended before"):
        runs.last_response([{"object": "response", "status": "in_progress"}])
