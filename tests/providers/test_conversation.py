from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from agentscope.message import Msg

from copaw.ports import Block
from copaw.providers import conversation as module
from copaw.providers.conversation import Senses, Turn, conversation

ALL = Senses()
PNG = b"\x89PNG\r\n\x1a\n"


def msg(role: Any, *blocks: Block) -> Msg:
    return Msg(role, [*blocks], role)


def text(value: str) -> Block:
    return {"type": "text", "text": value}


def call(call_id: str, name: str = "f") -> Block:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def result(call_id: str, output: Any = "ok") -> Msg:
    return msg("system", {"type": "tool_result", "id": call_id, "name": "f", "output": output})


async def turns(*msgs: Msg, senses: Senses = ALL) -> list[Turn]:
    return await conversation(msgs, senses)


async def media(block: Block, senses: Senses = ALL) -> Block:
    (turn,) = await turns(msg("user", block), senses=senses)
    return turn.blocks[0]


async def test_messages_stay_what_they_are_and_empty_texts_are_none() -> None:
    said = await turns(
        msg("system", text("s")), msg("user", text("a"), text("")), msg("user", text("")), Msg("x", "c", "user")
    )
    assert [(turn.role, turn.texts()) for turn in said] == [("system", "s"), ("user", "a"), ("user", "c")]


async def test_blocks_of_which_no_provider_knows_are_told_or_left_out() -> None:
    odd = {"type": "of_a_plugin", "at": 1}
    file = {"type": "file", "source": {"type": "url", "url": "file:///x.zip"}, "filename": "x.zip"}
    said = await turns(msg("user", odd, file, text("a")), msg("assistant", odd, file))
    assert [(turn.role, turn.texts()) for turn in said] == [("user", "[File x.zip: file:///x.zip]\na")]
    assert len(said[0].blocks) == 2


async def test_every_call_has_its_result_right_behind_it() -> None:
    said = await turns(
        msg("assistant", call("1"), call("2")), result("2", "two"), result("1", "one"), msg("user", text("x"))
    )
    assert [turn.role for turn in said] == ["assistant", "tool", "user"]
    assert [(block["id"], block["text"]) for block in said[1].blocks] == [("1", "one"), ("2", "two")]


async def test_a_lost_result_and_a_result_without_a_call() -> None:
    said = await turns(
        result("9"), msg("assistant", call("1")), msg("user", text("x")), result("8"), msg("user", text("y"))
    )
    assert [turn.role for turn in said] == ["assistant", "tool", "user", "user"]
    assert "lost" in said[1].blocks[0]["text"]


async def test_a_result_shows_what_was_looked_at_and_not_what_was_sent_to_the_user() -> None:
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    sent = {"type": "image", "source": {"type": "url", "url": "file:///x.png"}}
    file = {"type": "file", "source": {"type": "url", "url": "file:///x.zip"}, "filename": "x.zip"}
    said = await turns(msg("assistant", call("1")), result("1", [text("a"), inline, sent, file, text("b")]))
    assert said[1].blocks[0]["text"] == "a\nb"
    assert said[1].blocks[0]["media"] == [{"type": "image", "media_type": "image/png", "data": "AA"}]


async def test_media_of_every_origin(tmp_path: Path) -> None:
    path = tmp_path / "a b.png"
    path.write_bytes(PNG)
    inline = {"type": "image", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    for url in (str(path), path.as_uri(), f"data:image/png;base64,{inline['data']}"):
        assert await media({"type": "image", "source": {"type": "url", "url": url}}) == inline
    address = {"type": "image", "source": {"type": "url", "url": "https://host/a.jpg?x=1"}}
    assert await media(address) == {"type": "image", "media_type": "image/jpeg", "url": "https://host/a.jpg?x=1"}


@pytest.mark.parametrize(
    ("name", "why"), [("gone.png", "cannot be read"), ("notes.txt", "does not look like"), ("large.png", "larger than")]
)
async def test_a_file_that_cannot_be_shown_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setattr(module, "MAX_MEDIA_BYTES", 3)
    (tmp_path / "notes.txt").write_text("hi")
    (tmp_path / "large.png").write_bytes(PNG)
    block = await media({"type": "image", "source": {"type": "url", "url": str(tmp_path / name)}})
    assert block["type"] == "text"
    assert name in block["text"]
    assert why in block["text"]


async def test_a_model_is_not_shown_what_it_cannot_see() -> None:
    block = {"type": "video", "source": {"type": "url", "url": "https://host/a.mp4"}}
    shown = await media(block, Senses(video=False))
    assert shown == text("[video https://host/a.mp4: not shown, this model cannot take it]")


async def test_what_a_model_cannot_see_of_a_result_is_said_in_its_text() -> None:
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    said = await turns(msg("assistant", call("1")), result("1", [text("a"), inline]), senses=Senses(image=False))
    (block,) = said[1].blocks
    assert block["text"] == "a\n[image without a name: not shown, this model cannot take it]"
    assert block["media"] == []


async def test_a_server_may_give_the_same_ids_in_every_answer() -> None:
    said = await turns(
        msg("assistant", call("call_0")), result("call_0", "first"), msg("assistant", call("call_0")), msg("user"),
        msg("assistant", call("call_0")), result("call_0", "third"),
    )  # fmt: skip
    told = [block["text"] for turn in said for block in turn.blocks if turn.role == "tool"]
    assert told == ["first", "[The result of this call was lost.]", "third"]
