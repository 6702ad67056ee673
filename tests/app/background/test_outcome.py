"""What the stored events of a task tell when its process is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.app.background.live import OpenCall
from copaw.app.background.outcome import Remains, frame_of
from copaw.app.background.records import EventChunk
from copaw.app.runner.events import CALLS, OUTPUTS, ResponseStream


def remains(*payloads: dict[str, Any]) -> Remains:
    frames = "".join(frame_of(sequence, payload) for sequence, payload in enumerate(payloads))
    return Remains([EventChunk("t", 0, len(payloads) - 1, frames)])


@pytest.mark.parametrize("is_mcp", [False, True])
def test_a_call_without_a_result_is_open_wherever_its_tool_comes_from(is_mcp: bool) -> None:
    events: list[dict[str, Any]] = []
    stream = ResponseStream(events.append, "r", "s", 0)
    stream.begin()
    for call_id in ("c1", "c2"):
        call = stream.open_message(CALLS[is_mcp], "assistant")
        call.data({"call_id": call_id, "name": "tool", "arguments": json.dumps({"of": call_id})}, "completed")
        call.complete()
    result = stream.open_message(OUTPUTS[is_mcp], "tool")
    result.data({"call_id": "c1", "name": "tool", "output": "[]"}, "completed")
    result.complete()
    found = remains(*events)
    assert found.open_calls == [OpenCall("c2", "tool", {"of": "c2"})]
    assert found.terminal is None
    assert [message["status"] for message in found.output()] == ["completed"] * 3


def test_a_message_that_was_cut_short_has_the_text_that_had_come() -> None:
    events: list[dict[str, Any]] = []
    stream = ResponseStream(events.append, "r", "s", 0)
    stream.begin()
    message = stream.open_message("message", "assistant")
    message.text("half a ")
    message.text("sentence")
    [cut] = remains(*events).output()
    assert (cut["status"], cut["content"][0]["text"]) == ("incomplete", "half a sentence")
