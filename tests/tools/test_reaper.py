from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from copaw.ports import ToolContext
from copaw.tools.reaper import end_session


async def leader(context: ToolContext, command: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        cwd=context.workspace_dir,
        env={**os.environ, **context.environ},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_a_session_that_is_gone_needs_no_time() -> None:
    begun = time.monotonic()
    assert await end_session(2**22 - 7, 5.0)
    assert time.monotonic() - begun < 1


async def test_nobody_gets_sigterm_twice(
    context: ToolContext, processes: Callable[[], list[int]], workspace: Path
) -> None:
    process = await leader(context, "trap 'echo x >>terms' TERM; echo ready; while :; do sleep 0.01; done")
    assert await end_session(process.pid, 0.2)
    await process.communicate()
    assert (workspace / "terms").read_text() == "x\n"


async def test_an_orphan_in_a_session_of_its_own_is_followed(
    context: ToolContext, processes: Callable[[], list[int]]
) -> None:
    # Its parent dies of SIGTERM at once; it ignores that and has neither parent nor session in common any more.
    orphan = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
    process = await leader(context, f"setsid sh -c '{orphan}' & wait")
    assert await end_session(process.pid, 0.1)
    await process.communicate()
    assert processes() == []


async def test_other_processes_are_left_alone(context: ToolContext, processes: Callable[[], list[int]]) -> None:
    process = await leader(context, "echo ready; sleep 60")
    other = await leader(context, "echo ready; sleep 60")
    assert await end_session(process.pid, 0.5)
    assert other.pid in processes()
    assert await end_session(other.pid, 0.5)
    await asyncio.gather(process.communicate(), other.communicate())
