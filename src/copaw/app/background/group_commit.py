"""Many writers, one transaction: whatever was asked for while the last commit was under way goes into the next.

SQLite has one writer at a time and every commit waits for the disk, so hundreds of submissions a second are only
possible together. An operation is a plain function of a connection, see :mod:`database`; it is answered after the
commit that holds it. If a batch fails, each of its operations is tried by itself, so that nobody gets somebody
else's error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from copaw.app.background.database import Database
from copaw.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BATCH = 256


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[[Connection], Any]
    answer: asyncio.Future[Any]


class GroupCommit:
    """Runs operations in the order in which they were asked for. Make it on the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Operation] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._work(), name="ledger-writer")

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """Run ``operation`` in a transaction and return its result after the commit.

        Cancelling the wait does not take the operation back.

        :raises Unavailable: the database cannot be written at the moment; nothing was.
        """
        if self._closing:
            raise Unavailable("The task ledger is closed.")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Operation(operation, answer))
        self._wake.set()
        return await answer

    async def _work(self) -> None:
        while not self._closing or self._waiting:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            if not await self._commit(batch) and len(batch) > 1:
                for operation in batch:
                    await self._commit([operation])

    async def _commit(self, batch: list[_Operation]) -> bool:
        try:
            results = await self._database.write(lambda c: [operation.run(c) for operation in batch])
        except Exception as error:  # noqa: BLE001 - supervisor of all writes: each failure goes to who asked
            if len(batch) == 1:
                _fail(batch[0].answer, error)
            return False
        for operation, result in zip(batch, results, strict=True):
            if not operation.answer.done():
                operation.answer.set_result(result)
        return True

    async def aclose(self) -> None:
        """Commit what was asked for, and end."""
        self._closing = True
        self._wake.set()
        await asyncio.wait([self._task])


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        return
    logger.error("a write of the ledger that nobody waits for any more failed: %s", error)
