"""No tool blocks the event loop."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from copaw.ports import ToolContext
from copaw.tools.registry import builtin_tools

CALLS = {
    "execute_shell_command": {"command": "echo hi; echo x >&2; (sleep 0.5; true) &"},
    "write_file": {"file_path": "sub/new.txt", "content": "hi"},
    "read_file": {"file_path": "there.txt"},
    "edit_file": {"file_path": "there.txt", "old_text": "b", "new_text": "c"},
    "grep_search": {"pattern": "b"},
    "glob_search": {"pattern": "**/*"},
    "view_image": {"image_path": "picture.gif"},
    "send_file_to_user": {"file_path": "there.txt"},
    "get_current_time": {},
    "set_user_timezone": {"timezone_name": "Asia/Tokyo"},
}


async def remember(name: str) -> None:
    pass


@pytest.mark.parametrize("name", builtin_tools())
async def test_a_tool_makes_no_blocking_call_on_the_loop(context: ToolContext, workspace: Path, name: str) -> None:
    (workspace / "there.txt").write_text("a\nb\n")
    (workspace / "picture.gif").write_bytes(b"GIF89a")
    context = dataclasses.replace(context, set_user_timezone=remember)
    guard = BlockBuster()
    guard.activate()
    try:
        result = await builtin_tools()[name](context, CALLS[name])
    finally:
        guard.deactivate()
    assert not result.is_error, result
