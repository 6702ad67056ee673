"""A client that costs next to nothing: it keeps the bytes, notes the times, and parses only what is asked for.

It also works while the server is short of time: each exchange has a connection of its own and reads to its end.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

_STAMP = re.compile(rb"@(\d+\.\d{6}) ")
_FRAME = b"\ndata: "
DEADLINE_S = 60.0


class Failed(RuntimeError):
    """An exchange did not end as it should."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    :param process_path: where runs are started; tasks are at ``/task`` below it.
    :param pid: for its memory and processor time; ``None`` if it is not ours.
    """

    name: str
    host: str
    port: int
    process_path: str
    pid: int | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(slots=True)
class Exchange:
    """One request and its answer. Times are of the clock that all processes of the machine share."""

    sent_at: float = 0.0
    first_at: float = 0.0
    text_at: float = 0.0
    model_at: float = 0.0
    end_at: float = 0.0
    data: bytearray = field(default_factory=bytearray)

    @property
    def status(self) -> int:
        return int(self.data[9:12] or b"0")

    @property
    def events(self) -> int:
        return self.data.count(_FRAME)

    @property
    def last_event(self) -> Any:
        start = self.data.rfind(_FRAME)
        return json.loads(self.data[start + len(_FRAME) : self.data.find(b"\n\n", start + 1)])

    @property
    def json(self) -> Any:
        body = bytes(self.data).split(b"\r\n\r\n", 1)[1]
        return json.loads(body) if body else None

    @property
    def first_event_ms(self) -> float:
        return (self.first_at - self.sent_at) * 1e3


class Connection(asyncio.Protocol):
    """Sends one request and collects the answer."""

    def __init__(self, request: bytes, exchange: Exchange) -> None:
        self._request = request
        self._exchange = exchange
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not say so
        self._exchange.sent_at = time.monotonic()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        exchange.data += data
        if not exchange.text_at:
            self._note(exchange, time.monotonic())

    def _note(self, exchange: Exchange, now: float) -> None:
        if not exchange.first_at and _FRAME in exchange.data:
            exchange.first_at = now
        if stamp := _STAMP.search(exchange.data):
            exchange.text_at, exchange.model_at = now, float(stamp[1])

    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange.end_at = time.monotonic()
        if not self.closed.done():
            self.closed.set_result(None)


def head(target: Target, method: str, path: str, body: bytes, headers: str = "") -> bytes:
    """A whole request."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


async def connect(target: Target, request: bytes) -> tuple[Connection, Exchange]:
    """Send a request; the answer is whole when ``closed`` of the connection is done."""
    exchange = Exchange()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(request, exchange), target.host, target.port)
    return connection, exchange


async def exchange(target: Target, request: bytes) -> Exchange:
    """One exchange. :raises Failed: the answer is an error."""
    connection, answer = await connect(target, request)
    async with asyncio.timeout(DEADLINE_S):
        await connection.closed
    if not 200 <= answer.status < 300:
        raise Failed(f"{target.name}: {bytes(answer.data[:600])!r}")
    return answer


async def call(target: Target, method: str, path: str, body: Any = None, headers: str = "") -> Any:
    """A JSON call. :raises Failed: it was refused."""
    data = b"" if body is None else json.dumps(body).encode()
    return (await exchange(target, head(target, method, path, data, headers))).json


def chat_body(text: str, session_id: str | None = None) -> bytes:
    """A request for a run in a new session, or in ``session_id``."""
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
    session = session_id or f"bench-{uuid.uuid4().hex[:12]}"
    body = {"input": [message], "session_id": session, "user_id": "bench", "channel": "console", "stream": True}
    return json.dumps(body).encode()


async def chat(target: Target, text: str, *, agent_id: str | None = None) -> Exchange:
    """One run in a session of its own, to its end. :raises Failed: it did not complete."""
    agent = f"X-Agent-Id: {agent_id}\r\n" if agent_id else ""
    answer = await exchange(target, head(target, "POST", target.process_path, chat_body(text), agent))
    last = answer.last_event
    if last.get("status") != "completed":
        raise Failed(f"{target.name}: the run ended with {last}")
    return answer
