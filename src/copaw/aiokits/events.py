"""Waiting on several events, and for one to be quiet."""

from __future__ import annotations

import asyncio


async def wait_any(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def wait_quiet(event: asyncio.Event, quiet_s: float, at_most_s: float) -> None:
    """Clear ``event`` as often as it is set, until it was not for ``quiet_s`` seconds, ``at_most_s`` in all."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + at_most_s
    while (left_s := deadline - loop.time()) > 0:
        event.clear()
        try:
            async with asyncio.timeout(min(quiet_s, left_s)):
                await event.wait()
        except TimeoutError:
            break
