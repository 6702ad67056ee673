"""Tasks with an owner and a name, so that none vanishes and none is left over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)


class TaskOwner:
    """Keeps the tasks it starts, logs what they raise, and cancels what is left when it is closed.

    :param name: prefix of the tasks' names.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start ``work`` in a task named ``<owner>:<name>``."""
        task = asyncio.create_task(work, name=f"{self.name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task %s failed: %s", task.get_name(), error, exc_info=error)

    def __len__(self) -> int:
        return len(self._tasks)

    async def aclose(self, timeout_s: float = 10.0) -> None:
        """Cancel what is left and wait for it, at most ``timeout_s`` seconds; name what would not end."""
        current = asyncio.current_task()
        pending = {task for task in self._tasks if task is not current}
        for task in pending:
            task.cancel()
        if pending:
            _, stuck = await asyncio.wait(pending, timeout=timeout_s)
            for task in stuck:
                logger.error("task %s did not end within %g s and is abandoned", task.get_name(), timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


async def unwound(task: asyncio.Task[Any], timeout_s: float) -> bool:
    """Wait until ``task`` is done, at most ``timeout_s`` seconds, without cancelling it. ``True`` if it is done."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await asyncio.wait([task])
    return task.done()
