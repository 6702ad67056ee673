from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from copaw.ports import ToolResult
from copaw.tools import glob_search

Call = Callable[..., Awaitable[ToolResult]]


@pytest.fixture(autouse=True)
def tree(workspace: Path) -> None:
    for name in ("src/b.py", "src/a.py", "src/deep/c.py", "src/deep/d.txt", "top.py", ".git/config"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).touch()


async def lines(call: Call, pattern: str, **arguments: str) -> list[str]:
    result = await call("glob_search", pattern=pattern, **arguments)
    assert not result.is_error
    return str(result.content[0]["text"]).splitlines()


async def test_paths_are_sorted_and_relative_to_the_workspace(call: Call) -> None:
    assert await lines(call, "**/*.py") == ["src/a.py", "src/b.py", "src/deep/c.py", "top.py"]
    assert await lines(call, "*.py", path="src") == ["src/a.py", "src/b.py"]
    assert await lines(call, "src/*") == ["src/a.py", "src/b.py", "src/deep/"]
    assert await lines(call, "top.py") == ["top.py"]


async def test_absolute_patterns_and_patterns_that_go_up_work(call: Call, workspace: Path) -> None:
    assert await lines(call, f"{workspace}/src/*.py") == ["src/a.py", "src/b.py"]
    assert await lines(call, "../*", path="src") == ["src/", "top.py"]
    assert "/etc/" in await lines(call, "/et*")


async def test_version_control_is_found_only_by_name(call: Call) -> None:
    assert await lines(call, ".git/*") == [".git/config"]
    assert not any(".git" in line for line in await lines(call, "**/*"))


async def test_nothing_found_says_how_to_look_deeper(call: Call) -> None:
    assert "`**/` does" in (await lines(call, "*.txt"))[0]


async def test_long_lists_are_cut_with_a_notice(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glob_search, "LIMIT_PATHS", 2)
    found = await lines(call, "**/*.py")
    assert found[-1] == "[Only the first 2 are listed. Use a narrower pattern or a path.]"
    assert len(found) == 3


async def test_the_time_limit_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glob_search, "TIME_LIMIT_S", 0.0)
    assert (await lines(call, "**/*"))[-1].startswith("[Ended after 0 s")


async def test_bad_patterns_and_paths_are_errors(call: Call) -> None:
    for arguments in ({"pattern": "[b-a]"}, {"pattern": "*", "path": "nowhere"}, {"pattern": ""}):
        assert (await call("glob_search", **arguments)).is_error


async def test_names_that_are_not_utf8_can_be_shown(call: Call, workspace: Path) -> None:
    (workspace / os.fsdecode(b"odd\xff.md")).touch()
    assert await lines(call, "*.md") == ["odd\ufffd.md"]
