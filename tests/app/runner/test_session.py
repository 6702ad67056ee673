from __future__ import annotations

from pathlib import Path

import pytest

from copaw.app.runner.session import SessionFiles, SessionState

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


def message(name: str) -> dict[str, str]:
    return {"id": name, "name": "user", "role": "user", "content": f"message {name} 漢"}


def test_what_was_written_once_is_not_encoded_again(sessions: SessionFiles, tmp_path: Path) -> None:
    first, second, third = (message(name) for name in "123")
    state = SessionState(tmp_path / "s.json", [(first, []), (second, [])], raw={"later": {"agent": 1}})
    sessions.save(state, agent_name="a", sys_prompt="")
    known = state.encoded[id(second)]
    state.content = [(second, ["mark"]), (third, [])]
    sessions.save(state, agent_name="a", sys_prompt="")
    assert state.encoded[id(second)] is known
    assert state.encoded.keys() == {id(second), id(third)}
    loaded = sessions.load(state.path)
    assert loaded.content == state.content
    assert loaded.raw["later"] == {"agent": 1}
