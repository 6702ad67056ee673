from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from copaw.ports import ToolResult
from copaw.tools.view_image import LIMIT_BYTES

Call = Callable[..., Awaitable[ToolResult]]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
async def test_the_content_decides_the_type(call: Call, workspace: Path, data: bytes, media_type: str) -> None:
    (workspace / "picture.dat").write_bytes(data)
    result = await call("view_image", image_path="picture.dat")
    encoded = base64.b64encode(data).decode()
    assert result == ToolResult(
        [
            {"type": "text", "text": f"picture.dat ({media_type}, {len(data)} bytes):"},
            {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": encoded}},
        ]
    )


async def test_the_size_bound_is_exact(call: Call, workspace: Path) -> None:
    for extra, is_error in [(0, False), (1, True)]:
        with (workspace / "big.png").open("wb") as file:
            file.write(PNG)
            file.truncate(LIMIT_BYTES + extra)
        assert (await call("view_image", image_path="big.png")).is_error is is_error


@pytest.mark.parametrize("data", [b"", b"just text", b"RIFF\0\0\0\0WAVE"])
async def test_what_is_no_image_is_refused(call: Call, workspace: Path, data: bytes) -> None:
    (workspace / "fake.png").write_bytes(data)
    result = await call("view_image", image_path="fake.png")
    assert result.is_error
    assert "fake.png is not a PNG" in result.content[0]["text"]


async def test_a_missing_image_is_an_error(call: Call) -> None:
    assert (await call("view_image", image_path="none.png")).is_error
