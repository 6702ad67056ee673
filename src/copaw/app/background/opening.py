"""Opening the ledger behind the start of the server, and keeping it tidy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from copaw.app.background.records import TaskRecord
from copaw.app.background.recovery import recover
from copaw.app.background.store import TaskStore
from copaw.errors import CopawError, Unavailable

logger = logging.getLogger(__name__)

RETRY_S = 5.0
PATIENCE_S = 15.0
"""How long who needs the ledger waits for its opening."""
TRIM_INTERVAL_S = 3600.0
TRIM_EVERY = 500
"""So many ended tasks make a clean-up due, also before its time."""


class Retention(Protocol):
    """What is kept, and whose."""

    @property
    def owner(self) -> str: ...
    @property
    def keep(self) -> int: ...
    @property
    def keep_s(self) -> float: ...


class Opening:
    """Opens a store, recovers it, and then trims it from time to time, in a task of its own.

    :param opened: told of the store and of the tasks to resume, before anybody else gets the store.
    """

    def __init__(
        self,
        open_store: Callable[[], Awaitable[TaskStore]],
        retention: Retention,
        opened: Callable[[TaskStore, Sequence[TaskRecord]], None],
    ) -> None:
        self._open_store = open_store
        self._retention = retention
        self._on_opened = opened
        self._store: TaskStore | None = None
        self._problem: Unavailable | None = None
        self._tried = asyncio.Event()
        self._due = asyncio.Event()
        self._ended = 0
        self._task = asyncio.create_task(self._work(), name="ledger")

    async def store(self) -> TaskStore:
        """:raises Unavailable: it is not open, and why."""
        if self._store is None:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._tried.wait()
            except TimeoutError:
                raise Unavailable("The task ledger is still being opened.") from None
        if self._store is None:
            raise Unavailable(self._problem.message if self._problem else "The task ledger is closed.")
        return self._store

    def one_more_ended(self) -> None:
        """A task has ended."""
        self._ended += 1
        if self._ended >= TRIM_EVERY:
            self._due.set()

    async def _work(self) -> None:
        started = time.monotonic()
        while not await self._open():  # noqa: ASYNC110 - what is waited for is the world outside
            await asyncio.sleep(RETRY_S)
        logger.info("the task ledger is open after %.0f ms", (time.monotonic() - started) * 1e3)
        while True:
            await self._trim()
            try:
                async with asyncio.timeout(TRIM_INTERVAL_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            self._ended = 0

    async def _open(self) -> bool:
        try:
            store, resumed = await self._open_and_recover()
        except Exception as error:
            # The supervisor of the ledger: whatever is wrong, it is told and tried again.
            logger.error("the task ledger cannot be opened: %s", error, exc_info=not isinstance(error, CopawError))
            self._problem = error if isinstance(error, Unavailable) else Unavailable(f"The task ledger failed: {error}")
            self._tried.set()
            return False
        self._store = store
        self._on_opened(store, resumed)
        self._tried.set()
        return True

    async def _open_and_recover(self) -> tuple[TaskStore, list[TaskRecord]]:
        store = await self._open_store()
        try:
            return store, await recover(store, self._retention.owner)
        except BaseException:
            await store.aclose()
            raise

    async def _trim(self) -> None:
        assert self._store is not None
        try:
            gone = await self._store.trim(self._retention.keep, time.time() - self._retention.keep_s)
        except Unavailable as error:
            logger.warning("old tasks were not removed: %s", error.message)
        else:
            if gone:
                logger.info("%d old tasks were removed", gone)

    async def aclose(self) -> None:
        """Close the store. Nothing uses it any more."""
        self._task.cancel()
        await asyncio.wait([self._task])
        store, self._store = self._store, None
        if store is not None:
            await store.aclose()
