from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from copaw.ports import ToolContext, ToolResult
from copaw.tools import grep_search
from copaw.tools.grep_engine import Request

Call = Callable[..., Awaitable[ToolResult]]


@pytest.fixture(autouse=True)
def tree(workspace: Path) -> None:
    contents = {
        "a.py": "import os\nprint('Hello')\nx = 1\n",
        "sub/b.txt": "hello\r\nworld\r\nhello again",
        "sub/c.bin": "hello\0",
        "node_modules/d.js": "hello",
        "odd.txt": "a.c\nabc\n",
    }
    for name, content in contents.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_bytes(content.encode())


async def lines(call: Call, pattern: str, **arguments: object) -> list[str]:
    result = await call("grep_search", pattern=pattern, **arguments)
    assert not result.is_error, result
    return str(result.content[0]["text"]).splitlines()


async def test_matches_have_path_and_line_and_binary_files_are_passed_over(call: Call) -> None:
    assert await lines(call, "hello") == [
        "sub/b.txt:1:hello",
        "sub/b.txt:3:hello again",
        "[2 matches in 3 text files]",
    ]


async def test_text_is_text_and_a_regex_is_one_only_when_asked(call: Call) -> None:
    assert await lines(call, "a.c") == ["odd.txt:1:a.c", "[1 match in 3 text files]"]
    found = await lines(call, "^a.c$", is_regex=True)
    assert found[:-1] == ["odd.txt:1:a.c", "odd.txt:2:abc"]


async def test_case_path_and_include_narrow_the_search(call: Call, workspace: Path) -> None:
    assert (await lines(call, "HELLO", case_sensitive=False, include_pattern="*.py"))[0] == "a.py:2:print('Hello')"
    assert (await lines(call, "world", path="sub"))[0] == "sub/b.txt:2:world"
    assert (await lines(call, "world", path="sub/b.txt"))[0] == "sub/b.txt:2:world"
    assert (await lines(call, "world", path=str(workspace.parent)))[0] == f"{workspace}/sub/b.txt:2:world"
    assert await lines(call, "hello", include_pattern="other/*.txt") == ["[0 matches in 0 text files]"]


async def test_context_lines_are_marked_and_never_doubled(call: Call, workspace: Path) -> None:
    content = "\n".join(["hit", "1", "2", "hit", "4", "5", "6", "7", "hit"])
    (workspace / "ctx").write_text(content)
    found = await lines(call, "hit", path="ctx", context_lines=1)
    assert found[:-1] == [
        "ctx:1:hit",
        "ctx-2-1",
        "ctx-3-2",
        "ctx:4:hit",
        "ctx-5-4",
        "--",
        "ctx-8-7",
        "ctx:9:hit",
    ]


async def test_many_matches_and_long_lines_are_cut_with_a_notice(call: Call, workspace: Path) -> None:
    (workspace / "many").write_text("needle\n" * 1000)
    (workspace / "long").write_text("needle" + "x" * 5000)
    found = await lines(call, "needle")
    assert found[0].endswith("[... 4606 characters more]")
    assert len(found) == 201
    assert "there may be more" in found[-1]


async def test_very_large_files_are_counted_as_left_out(call: Call, workspace: Path) -> None:
    with (workspace / "large").open("wb") as file:
        file.truncate(11 * 1024 * 1024)
    assert "1 file over 10 MiB left out" in (await lines(call, "needle"))[-1]


async def test_a_bad_regex_and_a_missing_path_are_errors(call: Call) -> None:
    result = await call("grep_search", pattern="a(", is_regex=True)
    assert result.is_error
    assert "not a valid regular expression: missing )" in result.content[0]["text"]
    assert (await call("grep_search", pattern="a", path="nowhere")).is_error


def request_for(workspace: Path, pattern: str, time_limit_s: float) -> Request:
    return Request(str(workspace), "", pattern, True, True, 0, "", time_limit_s)


async def test_a_catastrophic_regex_neither_hangs_nor_blocks_the_loop(context: ToolContext, workspace: Path) -> None:
    (workspace / "z_evil").write_text("a" * 60 + "!")
    (workspace / "a_good").write_text("aaa\n")
    longest, ticking = 0.0, True

    async def tick() -> None:
        nonlocal longest
        while ticking:
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)

    ticker = asyncio.create_task(tick())
    result = await grep_search.search(request_for(workspace, "(a+)+$", 0.2), context, kill_after_s=0.5)
    ticking = False
    await ticker
    assert result.is_error
    assert result.content[0]["text"].startswith("a_good:1:aaa\n[The search was ended after 0.5 s")
    assert longest < 0.3


async def test_a_search_that_takes_too_long_tells_what_it_left_out(context: ToolContext, workspace: Path) -> None:
    result = await grep_search.search(request_for(workspace, "hello", 0.0), context, kill_after_s=10)
    assert not result.is_error
    assert "ended after 0 s before everything was searched" in result.content[0]["text"]


def engines(workspace: Path) -> list[int]:
    """Child processes that search this workspace."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(str(workspace) in word for word in child.cmdline()):
                found.append(child.pid)
    return found


async def test_a_cancelled_search_leaves_no_process(context: ToolContext, workspace: Path) -> None:
    (workspace / "a_good").write_text("aaa\n")
    (workspace / "z_evil").write_text("a" * 60 + "!")
    printed = asyncio.Event()
    context = dataclasses.replace(context, progress=printed.set)
    task = asyncio.create_task(grep_search.search(request_for(workspace, "(a+)+$", 60), context, kill_after_s=60))
    await asyncio.wait_for(printed.wait(), 10)
    assert len(engines(workspace)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert engines(workspace) == []
