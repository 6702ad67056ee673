from __future__ import annotations

from typing import Any

import pytest

from copaw.app.runner.session_shape import is_message

MESSAGE = {"id": "m", "name": "user", "role": "user", "content": "hi", "metadata": None, "timestamp": "2026-11-22"}
TEXT = {"type": "text", "text": "hi"}
GOOD = [
    "hi",
    [],
    [TEXT, {"type": "thinking", "thinking": "so"}, {"type": "text", "text": None}],
    [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
    [{"type": "tool_result", "id": "c", "name": "f", "output": [TEXT, {"type": "of_a_plugin"}]}],
    [{"type": "tool_result", "id": "c", "name": "f", "output": "text"}],
    [{"type": "image", "source": {"type": "url", "url": "file:///a.png"}}],
    [{"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": "AA"}}],
    [{"type": "file", "filename": "a.zip"}, {"type": "of_a_plugin", "text": 5}],
]
BAD = [
    None,
    5,
    {"type": "text"},
    ["text"],
    [{}],
    [{"type": None, "text": "hi"}],
    [{"type": "text", "text": ["hi"]}],
    [{"type": "thinking", "thinking": {}}],
    [{"type": "tool_use", "id": [], "name": "f", "input": {}}],
    [{"type": "tool_use", "id": "c", "name": "f", "input": [1]}],
    [{"type": "tool_result", "id": "c", "name": "f", "output": 5}],
    [{"type": "tool_result", "id": "c", "name": "f", "output": [{"type": "text", "text": 5}]}],
    [{"type": "image"}],
    [{"type": "image", "source": {"type": "url", "url": None}}],
    [{"type": "video", "source": {"type": "base64", "data": "AA"}}],
    [{"type": "file", "source": "x"}],
]


@pytest.mark.parametrize("content", GOOD, ids=repr)
def test_what_1_0_2_wrote_and_what_is_not_known_is_a_message(content: Any) -> None:
    assert is_message({**MESSAGE, "content": content})


@pytest.mark.parametrize("content", BAD, ids=repr)
def test_content_of_wrong_types_is_none(content: Any) -> None:
    assert not is_message({**MESSAGE, "content": content})


@pytest.mark.parametrize("field", ["id", "name", "role", "timestamp", "metadata"])
def test_fields_of_wrong_types_are_none(field: str) -> None:
    assert not is_message({**MESSAGE, field: [1]})
    assert not is_message("text")
