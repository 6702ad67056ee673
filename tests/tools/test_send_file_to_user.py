from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from copaw.ports import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


@pytest.mark.parametrize(("name", "kind"), [("a.png", "image"), ("b.mp3", "audio"), ("c.mp4", "video")])
async def test_media_are_shown(call: Call, workspace: Path, name: str, kind: str) -> None:
    (workspace / name).write_bytes(b"x")
    result = await call("send_file_to_user", file_path=name)
    assert result.content == [
        {"type": kind, "source": {"type": "url", "url": f"file://{workspace}/{name}"}},
        {"type": "text", "text": f"{name} (1 bytes) was sent to the user."},
    ]
    assert not result.is_error


async def test_anything_else_is_a_file_with_its_name(call: Call, workspace: Path) -> None:
    (workspace / "my report").write_bytes(b"xy")
    result = await call("send_file_to_user", file_path="my report")
    assert result.content[0] == {
        "type": "file",
        "source": {"type": "url", "url": f"file://{workspace}/my%20report"},
        "filename": "my report",
    }


async def test_a_missing_file_and_a_directory_are_errors(call: Call) -> None:
    assert (await call("send_file_to_user", file_path="nothing")).is_error
    assert (await call("send_file_to_user", file_path=".")).is_error
