from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from copaw.ports import ToolContext, ToolResult
from copaw.tools.registry import builtin_tools

MARK = "COPAW_TEST_MARK"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture
def context(workspace: Path) -> ToolContext:
    return ToolContext("default", workspace, environ={MARK: uuid.uuid4().hex})


@pytest.fixture
def call(context: ToolContext) -> Callable[..., Awaitable[ToolResult]]:
    """Call a built-in tool by name, as a model would."""

    async def call(name: str, /, **arguments: Any) -> ToolResult:
        return await builtin_tools()[name](context, arguments)

    return call


@pytest.fixture
def processes(context: ToolContext) -> Iterator[Callable[[], list[int]]]:
    """Which processes were started with this test's environment, wherever they have gone since."""
    mark = f"{MARK}={context.environ[MARK]}".encode()

    def find() -> list[int]:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_alive(entry, mark)]

    yield find
    assert find() == [], "a process was left behind"


def _is_alive(entry: Path, mark: bytes) -> bool:
    # The environment of a zombie is empty, so that zombies do not count.
    try:
        return mark in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
