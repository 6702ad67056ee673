from __future__ import annotations

from pathlib import Path

import pytest

from copaw.app.runner.session import SessionFiles

HALF = rb'{"agent": {"memory": {"content": [[{"name": "user", "role": "user", "content": "\ud83d!"}, []]]}}}'


@pytest.fixture
def sessions(tmp_path: Path) -> SessionFiles:
    return SessionFiles(tmp_path)


@pytest.mark.parametrize(
    "content", [b'{"a": ' + b"[" * 50_000, b"\0", b"\xff\xfe{}", b"[]", b'{"agent": {"memory": 1}}']
)
def test_a_session_that_cannot_be_read_is_set_aside_whole(sessions: SessionFiles, content: bytes) -> None:
    path = sessions.path("u", "s")
    path.write_bytes(content)
    state = sessions.load(path)
    assert state.content == []
    assert state.set_aside is not None
    assert state.set_aside.read_bytes() == content
    assert not path.exists()


def test_half_an_emoji_is_read_as_text_and_can_be_saved(sessions: SessionFiles) -> None:
    path = sessions.path("u", "s")
    path.write_bytes(HALF)
    state = sessions.load(path)
    assert state.content[0][0]["content"] == "?!"
    state.content.append(({"name": "a", "role": "assistant", "content": "\ude00"}, []))
    sessions.save(state, agent_name="a", sys_prompt="p")
    assert [message["content"] for message, _ in sessions.load(path).content] == ["?!", "?"]
