from __future__ import annotations

from typing import Any

from copaw.app.background.live import OpenCall
from copaw.app.background.resume import UNKNOWN_OUTCOME, Entry, close_open_calls


def use(call_id: str, **arguments: Any) -> Entry:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": call_id, "name": "f", "input": arguments}]}, []


def result(call_id: str, text: str = "done") -> Entry:
    output = [{"type": "text", "text": text}]
    return {"role": "system", "content": [{"type": "tool_result", "id": call_id, "name": "f", "output": output}]}, []


def told(content: list[Entry]) -> list[tuple[str, str]]:
    blocks = [message["content"][0] for message, _ in content]
    return [(block["id"], block["output"][0]["text"] if "output" in block else "") for block in blocks]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    closed = close_open_calls([use("1"), result("1"), use("2")], [])
    assert told(closed) == [("1", ""), ("1", "done"), ("2", ""), ("2", UNKNOWN_OUTCOME)]


def test_a_call_that_only_the_events_know_is_added_with_a_result() -> None:
    closed = close_open_calls([use("1"), result("1")], [OpenCall("2", "f", {})])
    assert told(closed) == [("1", ""), ("1", "done"), ("2", ""), ("2", UNKNOWN_OUTCOME)]


def test_a_call_whose_result_the_session_holds_is_not_added() -> None:
    assert told(close_open_calls([use("1"), result("1")], [OpenCall("1", "f", {})])) == [("1", ""), ("1", "done")]


def test_ids_that_come_again_hide_no_open_call() -> None:
    closed = close_open_calls([use("c", a=1), result("c"), use("c", a=2)], [OpenCall("c", "f", {"a": 3})])
    assert told(closed) == [
        ("c", ""),
        ("c", "done"),
        ("c", ""),
        ("c", UNKNOWN_OUTCOME),
        ("c", ""),
        ("c", UNKNOWN_OUTCOME),
    ]
