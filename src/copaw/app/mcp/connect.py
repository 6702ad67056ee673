"""Sessions over the ``mcp`` package, which is imported here and nowhere else, when a server is configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

import copaw
from copaw.app.mcp.http import CONNECTION_LOST, NEVER_RAN, AnsweringClient
from copaw.app.mcp.session import CallFailed, RemoteResult, RemoteTool, Session, TransportFailed
from copaw.app.mcp.settings import ClientSettings
from copaw.app.mcp.stdio import Child, Streams, stdio_streams

logger = logging.getLogger(__name__)

SESSION_TERMINATED = 32600
"""What ``mcp``'s client answers by itself when an HTTP server does not know the session, as after its restart."""

CANCEL_BOUND_S = 1.0
PING_TIMEOUT_S = 5.0


class McpSession(ClientSession):
    """``mcp``'s session, with a flag for its end and cancellations that reach the server."""

    def __init__(self, streams: Streams, lost: asyncio.Event) -> None:
        super().__init__(
            *streams,
            client_info=types.Implementation(name="copaw", version=copaw.__version__),
            message_handler=self._noticed,
        )
        self.lost = lost
        self.tools_changed = asyncio.Event()

    async def _receive_loop(self) -> None:
        # The one place where every transport ends: closed by either side, broken, or cancelled.
        try:
            await super()._receive_loop()
        finally:
            self.lost.set()

    async def _noticed(self, message: object) -> None:
        if isinstance(message, types.ServerNotification) and isinstance(
            message.root, types.ToolListChangedNotification
        ):
            self.tools_changed.set()
        elif isinstance(message, Exception):
            logger.debug("from an MCP server: %s", message)

    async def offered(self) -> list[RemoteTool]:
        """See :meth:`Session.list_tools`."""
        found: list[RemoteTool] = []
        cursor: str | None = None
        while True:
            page = await self.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
            found.extend(_described(tool) for tool in page.tools)
            if not page.nextCursor or page.nextCursor == cursor:
                return found
            cursor = page.nextCursor

    async def call(self, tool: str, arguments: Mapping[str, Any], moved: Callable[[], None]) -> RemoteResult:
        """See :meth:`Session.call`."""

        async def noted(progress: float, total: float | None, message: str | None) -> None:
            moved()

        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        number = self._request_id
        try:
            # Not call_tool: a result that does not keep to the server's own output schema is still a result.
            result = await self.send_request(
                types.ClientRequest(types.CallToolRequest(params=params)),
                types.CallToolResult,
                progress_callback=noted,
            )
        except asyncio.CancelledError:
            await self._tell_cancelled(number)
            raise
        return RemoteResult(
            [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in result.content],
            result.isError,
            result.structuredContent,
        )

    async def _tell_cancelled(self, number: int) -> None:
        params = types.CancelledNotificationParams(requestId=number, reason="The call was given up.")
        note = types.ClientNotification(types.CancelledNotification(params=params))
        with suppress(Exception):  # the session may be gone, which is why the call was given up
            async with asyncio.timeout(CANCEL_BOUND_S):
                await self.send_notification(note)


class _Adapter:
    """:class:`Session` over :class:`McpSession`: its exceptions become ours."""

    def __init__(self, session: McpSession, connector: Connector) -> None:
        self._session = session
        self._connector = connector
        self.lost = session.lost
        self.tools_changed = session.tools_changed

    async def list_tools(self) -> list[RemoteTool]:
        try:
            return await self._session.offered()
        except Exception as error:
            raise self._failure(error) from error

    async def call(self, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]) -> RemoteResult:
        try:
            return await self._session.call(tool, arguments, progress)
        except Exception as error:
            raise self._failure(error) from error

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await self._session.send_ping()
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> CallFailed:
        if isinstance(error, McpError):
            return self._answered(error.error.code, error.error.message)
        if isinstance(error, TimeoutError):
            return TransportFailed("No answer in time.")
        # A stream that was already closed: the request was never written.
        reason = " ".join(part for part in (f"The session is closed ({type(error).__name__}).", self._words) if part)
        return TransportFailed(reason, never_ran=self.lost.is_set())

    def _answered(self, code: int, message: str) -> CallFailed:
        match code:
            case _ if code == SESSION_TERMINATED and message == "Session terminated":
                return TransportFailed("The server does not know this session any more.", never_ran=True)
            case _ if code == NEVER_RAN:
                return TransportFailed(message, never_ran=True)
            case _ if code == CONNECTION_LOST:
                return TransportFailed(" ".join(part for part in (message, self._words) if part))
            case _:
                return CallFailed(message)

    @property
    def _words(self) -> str:
        return self._connector.last_words


def _described(tool: types.Tool) -> RemoteTool:
    notes = tool.annotations
    repeatable = notes is not None and bool(notes.readOnlyHint or notes.idempotentHint)
    return RemoteTool(tool.name, tool.description or tool.title or "", tool.inputSchema, repeatable)


class Connector:
    """Opens sessions with one server. :param settings: with their variables filled in."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._child: Child | None = None

    @property
    def last_words(self) -> str:
        """What the server of the last session printed that may explain its end."""
        return self._child.last_words if self._child is not None else ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        """Reach the server and initialise a session. Enter and leave it in one task.

        :raises BadInput: the settings cannot work here, such as a command that does not exist.
        :raises Exception: anything the transport raises.
        """
        lost = asyncio.Event()
        async with self._streams(lost) as streams, McpSession(streams, lost) as session:
            try:
                await session.initialize()
            except McpError as error:
                raise self._not_initialised(error) from error
            yield _Adapter(session, self)

    @asynccontextmanager
    async def _streams(self, lost: asyncio.Event) -> AsyncIterator[Streams]:
        settings = self._settings
        match settings.transport:
            case "stdio":
                async with stdio_streams(settings) as (streams, child):
                    self._child = child
                    yield streams
            case "streamable_http":
                async with (
                    AnsweringClient(settings.headers, settings.url, lambda: None) as client,
                    streamable_http_client(settings.url, http_client=client) as (read, write, _),
                ):
                    yield read, write
            case _:
                # What goes out here is answered on the one stream that comes in: if sending fails, all is lost.
                def client_factory(*_: Any, **__: Any) -> httpx.AsyncClient:
                    return AnsweringClient(settings.headers, settings.url, lost.set)

                async with sse_client(settings.url, httpx_client_factory=client_factory) as streams:
                    yield streams

    def _not_initialised(self, error: McpError) -> CallFailed:
        if error.error.code == SESSION_TERMINATED:
            return TransportFailed(f"There is no MCP server at {self._settings.url} (HTTP 404).")
        return TransportFailed(error.error.message)
