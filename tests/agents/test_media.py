from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from agentscope.message import Msg

from copaw.agents.local_files import LocalFiles
from copaw.agents.media import MAX_SHOWN_BYTES, MediaSettings, MediaView
from copaw.providers.openai_format import OpenAIFormatter

PNG = b"\x89PNG\r\n\x1a\n0000"


def at(path: object, kind: str = "image", **fields: object) -> Any:
    return {"type": kind, "source": {"type": "url", "url": str(path)}, **fields}


async def shown(root: Path, *messages: Msg, **settings: Any) -> list[Msg]:
    return await MediaView(MediaSettings(LocalFiles((root,)), **settings)).of([*messages])


async def blocks(root: Path, *content: Any, **settings: Any) -> list[Any]:
    (message,) = await shown(root, Msg("user", [*content], "user"), **settings)
    return message.content


async def test_text_is_left_as_it_is(tmp_path: Path) -> None:
    messages = [Msg("user", "hi", "user"), Msg("a", [{"type": "text", "text": "x"}], "assistant")]
    view = MediaView(MediaSettings(LocalFiles((tmp_path,))))
    assert await view.of(messages) is messages


async def test_an_image_of_the_workspace_is_shown_whatever_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(PNG)
    (image,) = await blocks(tmp_path, at(tmp_path / "cat.jpg"))
    encoded = base64.b64encode(PNG).decode()
    assert image == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded}}


async def test_an_image_elsewhere_in_the_net_is_left_to_the_provider(tmp_path: Path) -> None:
    block = at("https://example.org/cat.png")
    assert await blocks(tmp_path, block) == [block]


async def test_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no image")
    (tmp_path / "huge.png").write_bytes(PNG + b"0" * MAX_SHOWN_BYTES)
    texts = [
        block["text"]
        for block in await blocks(
            tmp_path,
            at(tmp_path / "no.png"),
            at(tmp_path / "huge.png"),
            at("https://example.org/a.mp3", "audio"),
            at("/etc/passwd"),
            at("/etc/passwd", "file"),
            at(tmp_path / "gone.png"),
            {"type": "file"},
        )
    ]
    assert texts == [
        f"[Image: {tmp_path}/no.png]",
        f"[Image: {tmp_path}/huge.png]",
        "[Audio: https://example.org/a.mp3]",
        "[Image /etc/passwd: there is no such file any more.]",
        "[File /etc/passwd: there is no such file any more.]",
        f"[Image {tmp_path}/gone.png: there is no such file any more.]",
        "[File without an address: there is no such file any more.]",
    ]


async def test_video_and_files_are_left_to_the_formatter_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"0")
    path = tmp_path / "clip.mp4"
    seen = await blocks(tmp_path, at("clip.mp4", "video"), at(path.as_uri(), "file", filename="a clip"))
    assert seen == [at(path, "video"), at(path, "file", filename="a clip")]


@pytest.mark.parametrize(("name", "media_type"), [("a.wav", "audio/wav"), ("a.mp3", "audio/mp3")])
async def test_sound_is_given_as_it_is_if_that_is_wanted(tmp_path: Path, name: str, media_type: str) -> None:
    (tmp_path / name).write_bytes(b"sound")
    (heard,) = await blocks(tmp_path, at(tmp_path / name, "audio"), native_audio=lambda: True)
    assert heard["source"]["media_type"] == media_type
    (named,) = await blocks(tmp_path, at(tmp_path / name, "audio"))
    assert named == {"type": "text", "text": f"[Audio: {tmp_path}/{name}]"}


async def test_sound_that_no_model_takes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(b"sound")
    (named,) = await blocks(tmp_path, at(tmp_path / "a.ogg", "audio"), native_audio=lambda: True)
    assert named["type"] == "text"


async def test_whatever_was_sent_the_formatter_takes_it(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "a.ogg").write_bytes(b"x")
    kinds = ("image", "audio", "video", "file")
    places = (tmp_path / "cat.png", tmp_path / "a.ogg", "/gone", "https://example.org/x", "")
    content = [at(place, kind) for kind in kinds for place in places]
    inline = [{"type": kind, "source": {"type": "base64", "media_type": "x/y", "data": "eA=="}} for kind in kinds]
    for native in (True, False):
        seen = await shown(
            tmp_path,
            Msg("user", [*content, *inline], "user"),
            native_audio=lambda n=native: n,
        )
        assert await OpenAIFormatter().format(seen)
