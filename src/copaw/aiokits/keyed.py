"""Locks by key that exist only while somebody wants them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class _Ticket:
    owner: Hashable
    turn: asyncio.Future[None]


class KeyedLocks:
    """One lock for each key, first come first served, forgotten when nobody holds or awaits it."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[_Ticket]] = {}

    def locked(self, key: Hashable) -> bool:
        """Whether somebody holds ``key`` or waits for it."""
        return key in self._queues

    @asynccontextmanager
    async def hold(self, key: Hashable, owner: Hashable = None) -> AsyncIterator[None]:
        """Hold ``key`` for the body of an ``async with``. Cancellation while waiting leaves no trace.

        :param owner: by what name :meth:`abandon` knows the holder.
        """
        ticket = _Ticket(owner, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault(key, deque())
        queue.append(ticket)
        try:
            if queue[0] is not ticket:
                await ticket.turn
            yield
        finally:
            self._leave(key, ticket)

    def abandon(self, key: Hashable, owner: Hashable) -> None:
        """If ``owner`` holds ``key`` and will not let go, give it to the next in line."""
        queue = self._queues.get(key)
        if queue and queue[0].owner == owner:
            self._leave(key, queue[0])

    def _leave(self, key: Hashable, ticket: _Ticket) -> None:
        queue = self._queues.get(key)
        if queue is None or ticket not in queue:
            return  # It was abandoned before.
        held = queue[0] is ticket
        queue.remove(ticket)
        if not queue:
            del self._queues[key]
        elif held and not queue[0].turn.done():
            queue[0].turn.set_result(None)

    def __len__(self) -> int:
        return len(self._queues)
