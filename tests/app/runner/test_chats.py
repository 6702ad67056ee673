from __future__ import annotations

import json
import tracemalloc
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


async def test_what_is_kept_is_written_and_read_again_as_it_was(tmp_path: Path) -> None:
    old = {**CHAT, "meta": {"a": 1}, "unknown": "\u4f60"}
    file = tmp_path / "chats.json"
    file.write_text(json.dumps({"version": 1, "later": [2], "chats": [old]}))
    book = ChatBook(file)
    await book.load()
    new = book.ensure("t", "v", "console", "  first line \ud83d\nsecond")
    await book.flush()
    written = json.loads(file.read_text())
    assert (written["version"], written["later"], len(written["chats"])) == (1, [2], 2)
    assert written["chats"][0].items() >= old.items()
    again = ChatBook(file)
    await again.load()
    assert [chat.model_dump() for chat in again.select()] == [chat.model_dump() for chat in book.select()]
    assert again.get(new.id).name == "first line \ud83d"
    assert [chat.id for chat in again.select(user_id="v")] == [new.id]
    again.delete([new.id, "c"])
    await again.flush()
    assert json.loads(file.read_text()) == {"version": 1, "later": [2], "chats": []}


async def test_a_chat_that_was_got_is_a_copy(tmp_path: Path) -> None:
    book = ChatBook(tmp_path / "chats.json")
    chat = book.ensure("s", "u", "console", "hello")
    chat.name = "changed"
    assert book.get(chat.id).name == "hello"
    book.put(chat)
    assert book.get(chat.id).name == "changed"
    assert chat.id in book
    await book.flush()


async def test_a_thousand_chats_take_about_a_kilobyte_each(tmp_path: Path) -> None:
    book = ChatBook(tmp_path / "chats.json")
    await book.load()
    book.ensure("first", "u", "console", "warm")
    await book.flush()
    tracemalloc.start()
    try:
        for number in range(1000):
            book.ensure(f"session-{number}", f"user-{number}", "console", "a message of some words")
        await book.flush()
        assert tracemalloc.get_traced_memory()[0] < 1_200_000
    finally:
        tracemalloc.stop()


async def test_a_list_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.write_text("in the way")
    book = ChatBook(folder / "chats.json")
    book.ensure("s", "u", "console", "hello")
    with pytest.raises(NotADirectoryError):
        await book.flush()
    folder.unlink()
    await book.flush()
    assert [chat["session_id"] for chat in json.loads((folder / "chats.json").read_text())["chats"]] == ["s"]
