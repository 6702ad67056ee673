"""Sharing what is costly to open: one open thing a key, held by whoever uses it, closed by the last of them.

Each entry has one owner task, which enters the context manager, waits, and leaves it. Nobody else ever enters or
leaves its scopes, because a cancel scope entered by one task and left by another breaks both. Users only hold
handles; taking and letting go of one never opens or closes anything in the user's own task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class PoolClosed(RuntimeError):
    """The pool gives nothing out any more."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Counts since the pool was made. ``opened == closed + open`` whenever nothing is opening or closing.

    :param users: handles that are not released, and those who wait for one, by key.
    :param failed: times that opening failed or was given up.
    """

    users: dict[Hashable, int]
    open: int
    opened: int
    closed: int
    failed: int
    double_releases: int


class Handle(Generic[K, V]):
    """One use of an entry. Release it exactly once.

    :param value: what the entry's context manager gave.
    """

    __slots__ = ("_entry", "released", "value")

    def __init__(self, entry: _Entry[K, V], value: V) -> None:
        self._entry = entry
        self.value = value
        self.released = False

    @property
    def key(self) -> K:
        return self._entry.key

    def release(self) -> None:
        """Let go. Harmless when repeated, but counted as a bug in :attr:`PoolStatistics.double_releases`."""
        if self.released:
            self._entry.pool.double_releases += 1
            return
        self.released = True
        self._entry.drop()

    async def aclose(self) -> None:
        """Release, and wait until the entry is closed if this was its last use."""
        self.release()
        if self._entry.closing:
            await self._entry.ended.wait()


class Pool(Generic[K, V]):
    """Open things by key.

    :param name: prefix of the owner tasks' names.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.opened = self.closed = self.failed = self.double_releases = 0
        self._entries: dict[K, _Entry[K, V]] = {}
        self._is_closed = False

    async def acquire(self, key: K, open_: Callable[[], AbstractAsyncContextManager[V]]) -> Handle[K, V]:
        """Take hold of what is open under ``key``, after opening it with ``open_`` if nobody has yet.

        What is being closed under that key is closed first: no key is ever open twice. A cancelled wait leaves no
        trace; if it was the only one, opening is given up.

        :raises PoolClosed: the pool was closed.
        :raises Exception: what ``open_`` raised; everybody who waits gets it, and the next caller tries again.
        """
        entry = await self._usable(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self, key, open_)
        entry.users += 1
        try:
            value = await asyncio.shield(entry.value)
        except BaseException:
            entry.drop()
            raise
        return Handle(entry, value)

    async def _usable(self, key: K) -> _Entry[K, V] | None:
        while True:
            if self._is_closed:
                raise PoolClosed(f"pool {self.name} is closed")
            entry = self._entries.get(key)
            if entry is None or not entry.closing:
                return entry
            await entry.ended.wait()

    @asynccontextmanager
    async def using(self, key: K, open_: Callable[[], AbstractAsyncContextManager[V]]) -> AsyncIterator[V]:
        """As :meth:`acquire`, for the body of an ``async with``; the last user waits until the entry is closed."""
        handle = await self.acquire(key, open_)
        try:
            yield handle.value
        finally:
            await handle.aclose()

    def peek(self, key: K) -> V | None:
        """What is open under ``key`` now, without taking hold of it."""
        entry = self._entries.get(key)
        if entry is None or entry.closing or not entry.value.done():
            return None
        return entry.value.result() if entry.value.exception() is None else None

    def statistics(self) -> PoolStatistics:
        """A snapshot of the counts."""
        return PoolStatistics(
            users={key: entry.users for key, entry in self._entries.items()},
            open=self.opened - self.closed,
            opened=self.opened,
            closed=self.closed,
            failed=self.failed,
            double_releases=self.double_releases,
        )

    async def aclose(self) -> None:
        """Give nothing out any more, close every entry whoever still holds it, and wait for that."""
        self._is_closed = True
        for entry in list(self._entries.values()):
            if entry.users:
                logger.warning("pool %s: %r is closed with %d users left", self.name, entry.key, entry.users)
            entry.close()
        for entry in list(self._entries.values()):
            await entry.ended.wait()

    def _forget(self, entry: _Entry[K, V]) -> None:
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]


class _Entry(Generic[K, V]):
    """One key while it is opening, open or closing."""

    def __init__(self, pool: Pool[K, V], key: K, open_: Callable[[], AbstractAsyncContextManager[V]]) -> None:
        self.pool = pool
        self.key = key
        self.users = 0
        self.closing = False
        self.ended = asyncio.Event()
        self.value: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._unused = asyncio.Event()
        self._task = asyncio.create_task(self._own(open_), name=f"{pool.name}:{key}")
        # Not in the coroutine: a task that is cancelled before its first step never runs any of it.
        self._task.add_done_callback(self._finished)

    def drop(self) -> None:
        """One user less."""
        self.users -= 1
        if self.users == 0:
            self.close()

    def close(self) -> None:
        """Have the owner task close what it opened, or give up opening it."""
        if self.closing or self.ended.is_set():
            return
        self.closing = True
        self._unused.set()
        if not self.value.done():
            self._task.cancel()

    async def _own(self, open_: Callable[[], AbstractAsyncContextManager[V]]) -> None:
        async with open_() as value:
            self.pool.opened += 1
            self.value.set_result(value)
            await self._unused.wait()

    def _finished(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.pool._forget(self)
        if not self.value.done():
            self.pool.failed += 1
            self.value.set_exception(error or PoolClosed(f"pool {self.pool.name}: opening {self.key!r} was given up"))
            self.value.exception()  # seen, even if every waiter has gone meanwhile
        else:
            self.pool.closed += 1
            if error is not None:
                logger.error("pool %s: %r did not close cleanly: %s", self.pool.name, self.key, error, exc_info=error)
        self.ended.set()
