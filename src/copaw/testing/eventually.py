"""Waiting for something outside this event loop, such as a file watcher or another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE_S = 0.02


async def eventually(condition: Callable[[], bool], what: str, *, timeout_s: float = 10.0) -> None:
    """Wait until ``condition`` holds.

    :raises AssertionError: it did not within ``timeout_s`` seconds; the message names ``what``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not condition():
        if loop.time() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(PAUSE_S)  # there is no event: what is awaited is outside this loop
