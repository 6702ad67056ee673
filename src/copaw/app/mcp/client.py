"""One MCP client: a server, a session with it, and calls, for as long as anybody uses it.

One task owns the session. It opens it, waits until it is lost, doubted, unused or to be renewed, closes it, waits a
little and opens the next one. Nobody else ever enters or leaves the scopes of a session. A call runs in a task of
the client's own, and the caller waits for its outcome: the caller's cancellation does not touch the session, and
the end of the session fails every call that waits for it.

A session that may be dead (a call failed in transport, or nobody used it for long) is withheld from new calls while
the owner asks the server for a sign of life.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol

from copaw.app.mcp.calls import Calls
from copaw.app.mcp.session import CallFailed, RemoteResult, RemoteTool, Session, TransportFailed
from copaw.app.mcp.settings import ClientSettings
from copaw.app.mcp.status import ClientState, ClientStatus, sentence

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
CALL_CONNECT_BOUND_S = 15.0
"""How long a call waits for a session, in seconds."""

FLAP_S = 10.0
"""A session that lived for less is not opened again at once, in seconds."""

STALE_S = 30.0
"""A session that nobody used for so long is asked for a sign of life before the next call, in seconds."""

CLOSE_BOUND_S = 8.0


class Opener(Protocol):
    """Opens sessions with one server."""

    @property
    def last_words(self) -> str:
        """What the server printed that may explain a failure."""

    def open(self) -> AbstractAsyncContextManager[Session]:
        """Start or reach the server and initialise a session; end both."""


class McpClient:
    """Use :func:`running_client`; then :attr:`tools` and :meth:`call`.

    :ivar tools: as last listed; they are kept while the server is away. :ivar tools_version: counts their changes.
    """

    def __init__(self, settings: ClientSettings, opener: Opener) -> None:
        self.settings = settings
        self.state = ClientState.CONNECTING
        self.tools: tuple[RemoteTool, ...] = ()
        self.tools_version = 0
        self._opener = opener
        self._since = time.time()
        self._last_error: str | None = None
        self._sessions = 0
        self._session: Session | None = None
        self.calls = Calls(settings.name, settings.call_timeout_seconds, self._doubt)
        self._retry_at = 0.0
        self._ready_at: float | None = None
        self._made_at = asyncio.get_running_loop().time()
        self._tried = asyncio.Event()
        self._settled = asyncio.Event()
        self._wake = asyncio.Event()
        self._doubted = self._to_renew = False

    @property
    def name(self) -> str:
        return self.settings.name

    def status(self) -> ClientStatus:
        """A snapshot for people."""
        left_s = max(self._retry_at - asyncio.get_running_loop().time(), 0.0)
        return ClientStatus(
            state=self.state,
            since=self._since,
            last_error=self._last_error,
            tools=len(self.tools),
            calls=len(self.calls),
            sessions=self._sessions,
            retry_in_s=left_s if self.state is ClientState.FAILED else None,
        )

    async def wait_tried(self, within_s: float) -> bool:
        """Wait for the outcome of the first attempt to connect, at most until the client is ``within_s`` seconds old.

        :returns: whether it is known. So nobody who comes later waits for a server that hangs.
        """
        left_s = self._made_at + within_s - asyncio.get_running_loop().time()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._tried.wait()
        return self._tried.is_set()

    async def wait_settled(self) -> None:
        """Wait until no attempt to connect is under way."""
        await self._settled.wait()

    def restart(self) -> None:
        """Close the session and open another one, now. Calls under way fail."""
        self._to_renew = True
        self._nudge()

    def _nudge(self) -> None:
        if self.state is not ClientState.CLOSED:
            self._settled.clear()
            self._wake.set()

    def _to(self, state: ClientState) -> None:
        if state is not self.state:
            logger.info("MCP client %s: %s -> %s", self.name, self.state, state)
            self.state, self._since = state, time.time()

    # -- calls -------------------------------------------------------------------------------------------------

    async def call(self, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]) -> RemoteResult:
        """Call a tool and wait for its result. A cancelled wait tells the server so and harms nobody else.

        A call that certainly never began at the server is sent once more on a live session. Any other call is not
        repeated, unless the server says that repeating that tool changes nothing.

        :raises TransportFailed: there is no session, or the answer was lost.
        :raises CallFailed: the server refused the call, or it took too long.
        """
        try:
            return await self.calls.run(await self._live_session(), tool, arguments, progress)
        except TransportFailed as failure:
            if not failure.never_ran and not self._is_repeatable(tool):
                raise
            logger.info("MCP client %s: %s is called once more: %s", self.name, tool, failure.message)
        return await self.calls.run(await self._live_session(), tool, arguments, progress)

    def _is_repeatable(self, tool: str) -> bool:
        return any(known.name == tool and known.repeatable for known in self.tools)

    async def _live_session(self) -> Session:
        """:raises TransportFailed: there is none in time."""
        session = self._session
        if session is not None and self.calls.unused_s > STALE_S:
            self._doubt(session)
        if (session := self._usable()) is not None:
            return session
        with suppress(TimeoutError):
            async with asyncio.timeout(CALL_CONNECT_BOUND_S):
                await self._settled.wait()
                if self._usable() is None:
                    # What was under way has failed, perhaps before this call; it gets an attempt of its own.
                    self._nudge()
                    await self._settled.wait()
        if (session := self._usable()) is None:
            why = f": {self._last_error}" if self._last_error else "."
            raise TransportFailed(f"The MCP server '{self.name}' is not connected ({self.state}){why}")
        return session

    def _usable(self) -> Session | None:
        return self._session

    def _doubt(self, session: Session) -> None:
        """Give the session to nobody until its server gave a sign of life."""
        if self._session is session:
            self._session = None
            self._doubted = True
            self._nudge()

    # -- the owner task ----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Open sessions one after another until cancelled."""
        pause_s = FIRST_RETRY_S
        try:
            while True:
                self._ready_at = None
                problem = await self._one_session()
                if problem is None:
                    continue
                self._last_error = problem
                if self._lived_s() > FLAP_S:
                    logger.warning("MCP client %s: %s; it is opened again", self.name, problem)
                    pause_s = FIRST_RETRY_S
                    continue
                logger.warning("MCP client %s: %s; next attempt in %g s", self.name, problem, pause_s)
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, LAST_RETRY_S)
        finally:
            self._session = None
            self._to(ClientState.CLOSED)
            self._settled.set()

    def _lived_s(self) -> float:
        """How long the last session was of use, in seconds."""
        return 0.0 if self._ready_at is None else asyncio.get_running_loop().time() - self._ready_at

    async def _pause(self, pause_s: float) -> None:
        self._retry_at = asyncio.get_running_loop().time() + pause_s
        self._wake.clear()
        self._to(ClientState.FAILED)
        self._tried.set()
        self._settled.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._wake.wait()

    async def _one_session(self) -> str | None:
        """Open a session, serve it to its end, close it. The problem that ended it, ``None`` if there was none."""
        self._settled.clear()
        self._doubted = self._to_renew = False
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self.settings.connect_timeout_seconds):
                    session = await stack.enter_async_context(self._opener.open())
                    await self._list_tools(session)
                self._opened(session)
                try:
                    await self._serve(session)
                finally:
                    self._leave(session)
            problem = "The session was lost."
        except TimeoutError:
            problem = f"There was no answer within {self.settings.connect_timeout_seconds:g} s."
        except Exception as error:  # noqa: BLE001 - supervisor of the session: what ends it is reported, and it is retried
            problem = sentence(error)
        if self.state is ClientState.IDLE:
            self._settled.set()
            await self._wake.wait()
            self._to(ClientState.CONNECTING)
            return None
        return None if self._to_renew else f"{problem} {self._opener.last_words}".rstrip()

    def _opened(self, session: Session) -> None:
        self._sessions += 1
        self._ready_at = asyncio.get_running_loop().time()
        self._back(session)

    def _back(self, session: Session) -> None:
        """The session can be used from here on."""
        self._session = session
        self.calls.used()
        self._doubted = False
        self._to(ClientState.READY)
        self._tried.set()
        self._settled.set()

    def _leave(self, session: Session) -> None:
        self._session = None
        if self.state is not ClientState.IDLE:
            self._settled.clear()
            self._to(ClientState.DEGRADED)
        else:
            self._wake.clear()
        self.calls.cancel(session)

    async def _serve(self, session: Session) -> None:
        """Return when the session is of no more use."""
        while not session.lost.is_set() and not self._to_renew:
            if session.tools_changed.is_set():
                session.tools_changed.clear()
                await self._list_tools(session)
            elif self._doubted:
                await self._ask_for_life(session)
            elif self._idle_in_s() == 0:
                self._to(ClientState.IDLE)
                return
            else:
                self._wake.clear()
                await _first(self._idle_in_s(), session.lost, session.tools_changed, self._wake)

    async def _ask_for_life(self, session: Session) -> None:
        """:raises CallFailed: there is none."""
        try:
            await session.ping()
        except TransportFailed:
            raise
        except CallFailed:
            pass  # it does not know pings, but it answered
        self._back(session)

    def _idle_in_s(self) -> float | None:
        limit_s = self.settings.idle_timeout_seconds
        return None if limit_s is None else max(limit_s - self.calls.unused_s, 0)

    async def _list_tools(self, session: Session) -> None:
        try:
            async with asyncio.timeout(self.settings.connect_timeout_seconds):
                tools = tuple(await session.list_tools())
        except TransportFailed:
            raise
        except CallFailed as error:
            logger.warning("MCP client %s offers no tools: %s", self.name, error.message)
            tools = ()
        if tools != self.tools:
            self.tools = tools
            self.tools_version += 1


@asynccontextmanager
async def running_client(settings: ClientSettings, opener: Opener) -> AsyncIterator[McpClient]:
    """A client for the body of an ``async with``. It connects in the background; leaving ends it within bounds."""
    client = McpClient(settings, opener)
    owner = asyncio.create_task(client.live(), name=f"mcp:{settings.name}")
    try:
        yield client
    finally:
        await client.calls.aclose(CLOSE_BOUND_S)
        # Once for the session, once more for a farewell that nobody answers.
        for _ in range(2):
            owner.cancel()
            done, _pending = await asyncio.wait([owner], timeout=CLOSE_BOUND_S)
            if done:
                break
        else:
            logger.error("MCP client %s did not end and is abandoned", settings.name)


async def _first(timeout_s: float | None, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, at most ``timeout_s`` seconds; ``None`` waits without limit."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
