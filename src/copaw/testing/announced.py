"""Servers in processes of their own that print where they listen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LISTENING = "listening on "
"""What such a server prints first, before its address."""
_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 5.0


@asynccontextmanager
async def announced_process(
    *arguments: str, quiet: bool = False
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run Python with ``arguments``; yields the address and the process, which is ended by its id.

    Its standard input stays open for as long as it is wanted.

    :param quiet: throw away what it writes to standard error.
    :raises RuntimeError: it did not start.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if quiet else None,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)).decode().strip()
        if not line.startswith(LISTENING):
            raise RuntimeError(f"{' '.join(arguments)} did not start; it printed {line!r}.")
        yield line.removeprefix(LISTENING), process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        process.stdin.close()
