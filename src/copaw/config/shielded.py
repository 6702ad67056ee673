"""Finishing what must not be left half done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


async def to_the_end(work: Coroutine[Any, Any, T], *, name: str) -> T:
    """Await ``work`` to its end even when the caller is cancelled, and only then pass the cancellation on.

    A thread that writes a file cannot be stopped. A caller that left early would release its lock while the
    thread still writes, and the next writer would lose one of the two changes. ``work`` must be bounded.
    """
    task = asyncio.create_task(work, name=name)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise
        await _wait(task)
        if error := task.exception():
            _log.warning("%s failed while its caller was being cancelled: %s", name, error)
        raise


async def _wait(task: asyncio.Task[Any]) -> None:
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue  # the caller raises the first cancellation once the work is done
