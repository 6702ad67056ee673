from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from copaw.agents.local_files import LocalFiles
from copaw.app.runner.received import MAX_CONTENT_BYTES, Receiver, safe_name
from copaw.errors import BadInput, ModelError

CONTENT = b"\x89PNG" * 30
PNG = base64.b64encode(CONTENT).decode()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return tmp_path / "media"


async def read(path: object) -> bytes:
    return await asyncio.to_thread(Path(str(path)).read_bytes)


async def received(media: Path, *content: Any, **fields: Any) -> list[Any]:
    receiver = Receiver(media, LocalFiles((media.parent,)), **fields)
    (message,) = await receiver([{"role": "user", "content": [*content]}])
    return message["content"]


async def test_text_alone_is_left_as_it_is(media: Path) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "user", "content": None}]
    assert await Receiver(media, LocalFiles(()))(messages) is messages


@pytest.mark.parametrize(
    ("item", "field", "name"),
    [
        ({"type": "image", "image_url": f"data:image/png;base64,{PNG}"}, "image_url", "image.png"),
        ({"type": "video", "video_url": f"data:video/mp4;base64,{PNG}"}, "video_url", "video.mp4"),
        ({"type": "audio", "data": f"data:audio/mpeg;base64,{PNG}"}, "data", "audio.mp3"),
        ({"type": "audio", "data": PNG, "format": "mp3"}, "data", "audio.mp3"),
        ({"type": "file", "file_url": f"data:;base64,{PNG}", "filename": "../a b.txt"}, "file_url", "a b.txt"),
        ({"type": "file", "file_data": PNG, "filename": "c.bin"}, "file_url", "c.bin"),
    ],
)
async def test_content_becomes_a_file_of_the_workspace(media: Path, item: Any, field: str, name: str) -> None:
    (kept,) = await received(media, item)
    path = Path(kept[field])
    assert path.parent == media
    assert path.name.endswith(f"_{name}")
    assert await read(path) == CONTENT
    assert "file_data" not in kept
    assert kept["type"] == item["type"]


async def test_what_is_here_already_is_named_by_its_path_and_what_is_elsewhere_stays(tmp_path: Path) -> None:
    media = tmp_path
    await asyncio.to_thread((media / "cat.png").write_bytes, b"x")
    here = {"type": "image", "image_url": f"http://127.0.0.1:8088/api/files/preview{media}/cat.png"}
    there = {"type": "image", "image_url": "https://example.org/cat.png"}
    forbidden = {"type": "image", "image_url": "/etc/passwd"}
    kept = await received(media, here, there, forbidden)
    assert kept == [{"type": "image", "image_url": str(media / "cat.png")}, there, forbidden]


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64,???", "data:image/png,plain", "data:image/png;base64," + "A" * (2 * MAX_CONTENT_BYTES)],
)
async def test_content_that_cannot_be_kept_is_refused_by_name(media: Path, url: str) -> None:
    with pytest.raises(BadInput) as caught:
        await received(media, {"type": "text", "text": "x"}, {"type": "image", "image_url": url})
    assert caught.value.field == "input.0.content.1.image_url"
    assert not await asyncio.to_thread(media.exists)
    with pytest.raises(BadInput, match=r"image_url: must be a text"):
        await received(media, {"type": "image", "image_url": {"url": "x"}})


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
async def test_an_item_that_refers_to_nothing_does_no_harm(media: Path, kind: str) -> None:
    item = {"type": kind}
    empty = {"type": kind, "image_url": None, "data": None, "video_url": "", "file_url": None}
    assert await received(media, item, empty) == [item, empty]


async def test_what_is_heard_stands_beside_the_sound(media: Path) -> None:
    async def hear(path: Path) -> str | None:
        return f"heard {(await read(path)).decode()}"

    sound = {"type": "audio", "data": f"data:audio/wav;base64,{base64.b64encode(b'hello').decode()}"}
    kept = await received(media, sound, hear=hear)
    assert [item["type"] for item in kept] == ["audio", "text"]
    assert kept[1]["text"] == "heard hello"


async def test_sound_that_cannot_be_heard_is_said_and_not_lost(media: Path) -> None:
    async def fail(_path: Path) -> str | None:
        raise ModelError("no such model")

    kept = await received(media, {"type": "audio", "data": "data:audio/wav;base64,eA=="}, hear=fail)
    assert "could not be transcribed: no such model" in kept[1]["text"]
    assert await read(kept[0]["data"]) == b"x"


def test_a_name_is_made_safe_and_short() -> None:
    assert safe_name("../../etc/pass\0wd.txt") == "pass_wd.txt"
    assert safe_name("C:\\a\\b.png") == "b.png"
    assert safe_name("") == safe_name("/") == "file"
    assert safe_name("ü" * 300 + ".txt").endswith("ü.txt")
    for name in ("ü" * 300 + ".txt", "x" * 300, "x." + "y" * 300):
        assert len(safe_name(name).encode()) <= 120
