"""The calls under way of one client: each in a task of its own, ended with the session it uses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from copaw.app.mcp.session import CallFailed, RemoteResult, Session, TransportFailed


class Calls:
    """Calls of one client.

    :param name: of the client, for messages.
    :param limit_s: how long a call may take without progress, in seconds.
    :param doubt: called with a session that failed a call, or did not answer one in time.
    """

    def __init__(self, name: str, limit_s: float, doubt: Callable[[Session], None]) -> None:
        self._name = name
        self._limit_s = limit_s
        self._doubt = doubt
        self._workers: dict[asyncio.Task[RemoteResult], Session] = {}
        self.used_at = 0.0

    def __len__(self) -> int:
        return len(self._workers)

    def used(self) -> None:
        """Note that the session is in use now."""
        self.used_at = asyncio.get_running_loop().time()

    @property
    def unused_s(self) -> float:
        """How long nothing was called; 0 while something is."""
        return 0.0 if self._workers else asyncio.get_running_loop().time() - self.used_at

    async def run(
        self, session: Session, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]
    ) -> RemoteResult:
        """Call a tool and wait. A cancelled wait cancels the call alone.

        :raises TransportFailed: the answer was lost. :raises CallFailed: it was refused, or took too long.
        """
        worker = asyncio.create_task(
            self._perform(session, tool, arguments, progress), name=f"mcp-call:{self._name}:{tool}"
        )
        self._workers[worker] = session
        worker.add_done_callback(self._ended)
        try:
            await asyncio.wait([worker])
        finally:
            worker.cancel()
        if worker.cancelled():
            raise TransportFailed(f"The session with the MCP server '{self._name}' ended before the answer came.")
        return worker.result()

    async def _perform(
        self, session: Session, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]
    ) -> RemoteResult:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limit_s) as timer:

                def moved() -> None:
                    timer.reschedule(loop.time() + self._limit_s)
                    progress()

                return await session.call(tool, arguments, moved)
        except TimeoutError:
            self._doubt(session)
            raise CallFailed(f"The MCP server '{self._name}' gave no answer within {self._limit_s:g} s.") from None
        except TransportFailed:
            self._doubt(session)
            raise

    def _ended(self, worker: asyncio.Task[RemoteResult]) -> None:
        del self._workers[worker]
        self.used()
        if not worker.cancelled():
            worker.exception()  # the caller may have gone meanwhile

    def cancel(self, session: Session) -> None:
        """End every call on a session that is closed."""
        for worker, used in list(self._workers.items()):
            if used is session:
                worker.cancel()

    async def aclose(self, timeout_s: float) -> None:
        """End all calls, and wait at most ``timeout_s`` seconds for them."""
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers, timeout=timeout_s)
