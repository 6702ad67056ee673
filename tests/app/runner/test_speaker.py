from __future__ import annotations

import json
from typing import Any

from copaw.app.runner.events import ResponseStream
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.providers.answer import Piece, Usage


class Heard:
    """Speaks into a list of events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        stream = ResponseStream(self.events.append, "r", "s", 0)
        self.speaker = ResponseSpeaker(stream, lambda name: "srv" if name == "remote" else None)

    def kinds(self) -> list[tuple[str, str, str | None]]:
        return [(e["object"], e["status"], e.get("type")) for e in self.events]

    def arguments(self) -> list[str]:
        return [e["data"]["arguments"] for e in self.events if e["object"] == "content"]


def test_text_is_sent_as_what_is_new_and_whole_at_the_end() -> None:
    heard = Heard()
    heard.speaker.hear([Piece(0, "text", "")])
    assert heard.events == []
    heard.speaker.hear([Piece(0, "text", "a"), Piece(0, "text", "b"), Usage(1, 1)])
    heard.speaker.finish()
    assert heard.kinds() == [
        ("message", "in_progress", "message"),
        ("content", "in_progress", "text"),
        ("content", "in_progress", "text"),
        ("content", "completed", "text"),
        ("message", "completed", "message"),
    ]
    assert [(e["text"], e["delta"]) for e in heard.events[1:4]] == [("a", True), ("b", True), ("ab", False)]


def test_each_kind_is_a_message_of_its_own() -> None:
    heard = Heard()
    heard.speaker.hear(
        [
            Piece(0, "thinking", "h"),
            Piece(1, "text", "t"),
            Piece(2, "tool_use", "{}", "c1", "f"),
            Piece(3, "tool_use", "", "c2", "remote"),
        ]
    )
    heard.speaker.finish()
    done = [e for e in heard.events if (e["object"], e["status"]) == ("message", "completed")]
    assert [e["type"] for e in done] == ["reasoning", "message", "plugin_call", "mcp_call"]
    assert done[2]["content"][0]["data"] == {"call_id": "c1", "name": "f", "arguments": "{}"}
    assert done[3]["content"][0]["data"]["arguments"] == "{}", "a call without arguments has an empty object of them"


def test_half_an_emoji_in_a_result_is_replaced() -> None:
    heard = Heard()
    heard.speaker.tool_result({"id": "c", "name": "f"}, [{"type": "text", "text": "half \ud83d"}])
    (content,) = [event for event in heard.events if event["object"] == "content"]
    assert json.loads(content["data"]["output"]) == [{"type": "text", "text": "half \ufffd"}]


def test_a_second_message_begins_anew() -> None:
    heard = Heard()
    for text in ("one", "two"):
        heard.speaker.hear([Piece(0, "text", text)])
        heard.speaker.finish()
    assert [
        e["content"][0]["text"] for e in heard.events if e["status"] == "completed" and e["object"] == "message"
    ] == [
        "one",
        "two",
    ]


def test_arguments_come_as_they_grow_and_long_ones_do_not_flood() -> None:
    heard = Heard()
    whole = json.dumps({"content": "x" * 50_000})
    for start in range(0, len(whole), 10):
        heard.speaker.hear([Piece(0, "tool_use", whole[start : start + 10], "c", "f")])
    heard.speaker.finish()
    sent = heard.arguments()
    assert sent[:3] == [whole[:10], whole[:20], whole[:30]]
    assert sent[-1] == whole
    assert all(whole.startswith(part) for part in sent)
    assert sum(map(len, sent)) < 5 * len(whole), "the work is linear"
