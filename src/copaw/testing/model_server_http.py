"""As much of an HTTP/1.1 server as a scripted model needs: little work for each chunk, and it sees who hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request with its whole body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """Serves one connection, one request at a time. A request's task is cancelled when the client hangs up.

    :param handle: answers a request through this connection.
    :param opened: called once. :param lost: called once, with whether a request was under way.
    """

    def __init__(
        self,
        handle: Callable[[Request, Connection], Awaitable[None]],
        opened: Callable[[], None],
        lost: Callable[[bool], None],
    ) -> None:
        self._handle = handle
        self._opened = opened
        self._lost = lost
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._begin_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self._task is not None)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send_json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """The whole answer."""
        content = json.dumps(body, ensure_ascii=False).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._write(
            f"{_status_line(status)}content-type: application/json\r\ncontent-length: {len(content)}\r\n"
            f"{extra}\r\n".encode()
            + content
        )
        await self._writable.wait()

    def begin_events(self) -> None:
        """The head of an event stream."""
        self._write(
            f"{_status_line(200)}content-type: text/event-stream\r\ncache-control: no-cache\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )

    async def send_event(self, data: str, name: str = "") -> None:
        """One event, sent at once; other connections get their turn after it."""
        event = f"event: {name}\ndata: {data}\n\n".encode() if name else f"data: {data}\n\n".encode()
        self._write(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(0)
        await self._writable.wait()

    def end_events(self) -> None:
        self._write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Close the connection in the middle of things."""
        self._transport.close()

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _begin_next(self) -> None:
        if self._task is None and (request := self._next_request()) is not None:
            self._task = asyncio.create_task(self._serve(request), name=f"{request.method} {request.path}")

    async def _serve(self, request: Request) -> None:
        try:
            await self._handle(request, self)
        finally:
            self._task = None
        self._begin_next()

    def _next_request(self) -> Request | None:
        """Take a complete request from the buffer."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end].decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in head[1:])
        headers = {name.lower(): value.strip() for name, _, value in fields}
        length = int(headers.get("content-length", "0"))
        if "transfer-encoding" in headers or length > _MAX_BODY_BYTES:
            self.cut()
            return None
        body_end = end + 4 + length
        if len(self._buffer) < body_end:
            return None
        body = bytes(self._buffer[end + 4 : body_end])
        del self._buffer[:body_end]
        method, target, _ = head[0].split(" ", 2)
        url = urlsplit(target)
        return Request(method, url.path, dict(parse_qsl(url.query)), headers, body)


def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Scripted"
    return f"HTTP/1.1 {status} {phrase}\r\n"
