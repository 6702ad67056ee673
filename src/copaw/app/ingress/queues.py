"""One queue and one worker for each key, gone when idle. Busy is not idle."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
logger = logging.getLogger(__name__)


class _Queue(Generic[T]):
    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.task: asyncio.Task[None] | None = None


class KeyedQueues(Generic[K, T]):
    """Handles the items of one key in their order, one at a time; different keys go on side by side.

    :param name: prefix of the workers' names.
    :param handle: handles one item. What it raises is logged, and the next item follows.
    :param max_queued: items of one key that may wait, besides the one being handled.
    :param max_total: items of all keys that may wait; ``None`` for no limit.
    """

    def __init__(
        self, name: str, handle: Callable[[K, T], Awaitable[None]], *, max_queued: int, max_total: int | None = None
    ) -> None:
        self.name = name
        self.closed = False
        self._handle = handle
        self._max_queued = max_queued
        self._max_total = max_total
        self._total = 0
        self._queues: dict[K, _Queue[T]] = {}

    def put(self, key: K, item: T) -> bool:
        """Queue an item. ``False`` if there is no room, or everything is closed.

        A plain function: an item is either queued or it is not, whoever is cancelled.
        """
        queue = self._queues.get(key)
        if self.closed or self._is_full(queue):
            return False
        if queue is None:
            queue = self._queues[key] = _Queue()
            queue.task = asyncio.create_task(self._work(key, queue), name=f"{self.name}:{key}")
        queue.items.append(item)
        self._total += 1
        return True

    def _is_full(self, queue: _Queue[T] | None) -> bool:
        if self._max_total is not None and self._total >= self._max_total:
            return True
        return queue is not None and len(queue.items) >= self._max_queued

    async def _work(self, key: K, queue: _Queue[T]) -> None:
        while queue.items:
            self._total -= 1
            try:
                await self._handle(key, queue.items.popleft())
            except Exception:  # supervisor of one item: the next one is not to suffer for it
                logger.exception("%s: an item of %s could not be handled", self.name, key)
        # No await since the queue was seen to be empty, so nothing can have come in between.
        del self._queues[key]

    def waiting(self, belongs: Callable[[K], bool] = lambda _key: True) -> int:
        """How many items wait."""
        return sum(len(queue.items) for key, queue in self._queues.items() if belongs(key))

    def drop(self, belongs: Callable[[K], bool] = lambda _key: True) -> dict[K, list[T]]:
        """Take out what waits. What is being handled goes on."""
        dropped = {}
        for key, queue in self._queues.items():
            if queue.items and belongs(key):
                dropped[key] = list(queue.items)
                self._total -= len(queue.items)
                queue.items.clear()
        return dropped

    async def wait_idle(self, timeout_s: float, belongs: Callable[[K], bool] = lambda _key: True) -> bool:
        """Wait until the workers of these keys are gone, at most ``timeout_s`` seconds. ``True`` if they are."""
        tasks = [queue.task for key, queue in self._queues.items() if queue.task is not None and belongs(key)]
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        return not left

    async def aclose(self) -> None:
        """Take nothing more, and cancel what is being handled."""
        self.closed = True
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._queues.clear()
        self._total = 0

    def __len__(self) -> int:
        return len(self._queues)
