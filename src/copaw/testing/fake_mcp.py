"""A scripted MCP server without a process, for tests of what happens around a session, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from copaw.app.mcp.session import CallFailed, RemoteResult, RemoteTool, TransportFailed


@dataclass
class FakeMcp:
    """One server, over all sessions with it.

    :param connect_s: seconds that opening takes. :param refuse: opening fails with this sentence, after that time.
    :param call_s: seconds that a call takes. :param deaf: pings are not answered.
    :ivar strangers: times that a session was left by another task than entered it.
    """

    tools: list[RemoteTool] = field(default_factory=lambda: [RemoteTool("echo"), RemoteTool("safe", repeatable=True)])
    connect_s: float = 0.1
    close_s: float = 0.1
    call_s: float = 1.0
    refuse: str = ""
    deaf: bool = False
    last_words: str = ""
    opened: int = 0
    closed: int = 0
    strangers: int = 0
    calls: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    session: FakeSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FakeSession]:
        """As ``Connector.open``."""
        owner = asyncio.current_task()
        self.attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.connect_s)
        if self.refuse:
            raise TransportFailed(self.refuse)
        self.opened += 1
        self.session = FakeSession(self)
        try:
            yield self.session
        finally:
            self.strangers += owner is not asyncio.current_task()
            await asyncio.sleep(self.close_s)
            self.closed += 1

    def lose(self) -> None:
        """The server dies: calls get no answer, the session ends."""
        assert self.session is not None
        self.session.lost.set()


class FakeSession:
    """One session."""

    def __init__(self, server: FakeMcp) -> None:
        self._server = server
        self.lost = asyncio.Event()
        self.tools_changed = asyncio.Event()
        self.never_ran = False

    async def list_tools(self) -> list[RemoteTool]:
        return list(self._server.tools)

    async def call(self, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]) -> RemoteResult:
        if self.never_ran:
            raise TransportFailed("The server does not know this session any more.", never_ran=True)
        text = str(arguments.get("text", tool))
        self._server.calls.append(text)
        for _ in range(int(arguments.get("steps", 0))):
            await asyncio.sleep(self._server.call_s)
            progress()
        try:
            async with asyncio.timeout(self._server.call_s):
                await self.lost.wait()
            raise TransportFailed("Connection closed")
        except TimeoutError:
            return RemoteResult([{"type": "text", "text": text}])
        except asyncio.CancelledError:
            self._server.cancelled.append(text)
            raise

    async def ping(self) -> None:
        if self._server.deaf or self.lost.is_set():
            raise TransportFailed("No answer in time.")
        if "ping" in self._server.last_words:
            raise CallFailed("Method not found")
