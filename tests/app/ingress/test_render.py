"""What of a run a channel shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.app.channels.base import BaseChannel, ChannelContext
from copaw.app.channels.message import InboundMessage, Received
from copaw.app.ingress.render import MAX_TOOL_CHARS, render
from copaw.ports import Json
from copaw.testing.memory_channel import MemoryHub

TEXT = {"type": "message", "content": [{"type": "text", "text": "hi", "index": 0, "msg_id": "m", "object": "content"}]}
THOUGHT = {"type": "reasoning", "content": [{"type": "text", "text": "hm"}]}
CALL = {"type": "plugin_call", "content": [{"type": "data", "data": {"name": "ls", "arguments": '{"a": 1}'}}]}
RESULT = {
    "type": "plugin_call_output",
    "content": [{"type": "data", "data": {"name": "ls", "output": json.dumps([{"type": "text", "text": "x" * 900}])}}],
}
FILE = {
    "type": "message",
    "content": [
        {"type": "image", "image_url": "https://a/b.png"},
        {"type": "file", "file_url": "data:x;base64,AAAA", "filename": "a.txt"},
    ],
}


async def shown(message: Json, *, media: bool = False, limit: int | None = None, **config: object) -> list[Json]:
    kind = MemoryHub().kind()
    kind.sends_media, kind.max_text_chars = media, limit

    async def handle(_message: InboundMessage) -> Received:
        return Received.CLOSED

    context = ChannelContext("a", handle, lambda _session, _text: None, Path())
    channel: BaseChannel = kind(kind.config_model.model_validate(config), context)
    return render(channel, message)


async def test_text_is_sent_without_what_only_a_stream_needs() -> None:
    assert await shown(TEXT) == [{"type": "text", "text": "hi"}]


async def test_thinking_and_tools_are_shown_and_long_output_is_cut() -> None:
    assert (await shown(THOUGHT))[0]["text"].endswith("hm")
    assert 'ls {"a": 1}' in (await shown(CALL))[0]["text"]
    assert len((await shown(RESULT))[0]["text"]) < MAX_TOOL_CHARS + 20


@pytest.mark.parametrize(
    ("switch", "hidden"), [("filter_thinking", [THOUGHT]), ("filter_tool_messages", [CALL, RESULT])]
)
async def test_a_filter_hides_its_kind_alone(switch: str, hidden: list[Json]) -> None:
    for message in (TEXT, THOUGHT, CALL, RESULT):
        assert bool(await shown(message, **{switch: True})) is (message not in hidden)


async def test_the_prefix_stands_before_the_first_text() -> None:
    two = {"type": "message", "content": [{"type": "image", "image_url": "u"}, *TEXT["content"], *TEXT["content"]]}
    parts = await shown(two, media=True, bot_prefix="[bot] ")
    assert [part.get("text") for part in parts] == [None, "[bot] hi", "hi"]


async def test_media_is_sent_or_becomes_a_line_without_inline_data() -> None:
    assert [part["type"] for part in await shown(FILE, media=True)] == ["image", "file"]
    assert [part["text"] for part in await shown(FILE)] == ["[image] https://a/b.png", "[file] a.txt"]


@pytest.mark.parametrize("text", ["x" * 25, "line\n" * 9, "x" * 10, "short"])
async def test_long_texts_are_cut_and_nothing_is_lost(text: str) -> None:
    message = {"type": "message", "content": [{"type": "text", "text": text}]}
    pieces = [part["text"] for part in await shown(message, limit=10)]
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= 10 for piece in pieces)


async def test_other_messages_and_empty_texts_are_not_sent() -> None:
    assert await shown({"type": "heartbeat", "content": []}) == []
    assert await shown({"type": "message", "content": [{"type": "text", "text": ""}]}) == []
