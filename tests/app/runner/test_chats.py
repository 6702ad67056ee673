from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.app.runner.chats import ChatBook
from copaw.errors import ConfigFileError

CHAT = {"id": "c", "session_id": "s", "user_id": "u"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps({"chats": [CHAT, {**CHAT, "session_id": "t"}]}).encode(), "two chats have this id"),
        (b'{"chats": [], "chats": []}', "'chats' is there twice"),
        (b'{"chats": [{"id": "c", "session_id": "s", "user_id": "u", "meta": {"a": NaN}}]}', "NaN"),
        (b'{"chats": ' + b"[" * 50_000, "nested too deeply"),
        (b'{"chats": [{"id": "c"}]}', "chats.0.session_id"),
        (b"", "empty"),
    ],
)
async def test_a_list_that_cannot_be_kept_whole_is_named_and_left_alone(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "chats.json"
    file.write_bytes(content)
    with pytest.raises(ConfigFileError, match=said) as caught:
        await ChatBook(file).load()
    assert "chats.json" in str(caught.value)
    assert file.read_bytes() == content
