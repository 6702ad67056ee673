"""Channels over real sockets and threads, with the other end of each, for tests of what a reload does to them.

All speak JSON lines: ``{"id", "session_id", "user_id", "text"}`` comes in, ``{"session_id", "text"}`` goes out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx

from copaw.app.channels.base import BaseChannel, ChannelContext
from copaw.app.channels.message import InboundMessage, Target, text_of
from copaw.config.models import BaseChannelConfig
from copaw.ports import Json


@dataclass
class ChannelLog:
    """What channels of one test did.

    :param received: texts that a thread took from its socket.
    :param violations: promises that were broken, as sentences.
    """

    opened: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    holders: Counter[str] = field(default_factory=Counter)
    received: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def holding(self, resource: str, *, alone: bool = True) -> AsyncIterator[None]:
        """Count who holds something; notice two at once where only one may."""
        self.opened[resource] += 1
        self.holders[resource] += 1
        if alone and self.holders[resource] > 1:
            self.violations.append(f"{resource} has {self.holders[resource]} holders")
        try:
            yield
        finally:
            self.holders[resource] -= 1
            self.closed[resource] += 1


def logged(channel: type[BaseChannel], log: ChannelLog) -> type[BaseChannel]:
    """A channel class whose instances write to ``log``."""
    return type(channel.__name__, (channel,), {"log": log})


def _message(raw: Json) -> InboundMessage:
    return InboundMessage.of_text(raw["id"], raw["session_id"], raw["user_id"], raw["text"])


def _line(target: Target, parts: Sequence[Json]) -> bytes:
    return json.dumps({"session_id": target.session_id, "text": text_of(parts)}).encode() + b"\n"


# -- a port ----------------------------------------------------------------------------------------------------------


class PortConfig(BaseChannelConfig):
    """:param delay_s: seconds that disconnecting takes."""

    port: int
    delay_s: float = 0.0


class PortChannel(BaseChannel):
    """Listens on a TCP port of this machine; answers go to whoever wrote last in their session."""

    channel: ClassVar[str] = "port"
    config_model: ClassVar[type[BaseChannelConfig]] = PortConfig
    log: ClassVar[ChannelLog] = ChannelLog()

    def __init__(self, config: PortConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._port = config.port
        self._delay_s = config.delay_s
        self._clients: dict[str, asyncio.StreamWriter] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._crash = asyncio.Event()

    @classmethod
    def exclusive_resources(cls, config: Any) -> frozenset[str]:
        return frozenset({f"port:{config.port}"})

    async def run(self, ready: Callable[[], None]) -> None:
        async with self.log.holding(f"port:{self._port}"):
            server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
            try:
                ready()
                await self._crash.wait()
                raise ConnectionError("told to crash")
            finally:
                server.close()
                await asyncio.sleep(self._delay_s)
                for task in self._serving:
                    task.cancel()
                await asyncio.gather(*self._serving, return_exceptions=True)
                await server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name=f"port-client:{self._port}")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        # Not in the task: one that is cancelled before its first step never gets to its end either.
        task.add_done_callback(lambda _task: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"crash\n":
                self._crash.set()
                continue
            raw = json.loads(line)
            self._clients[raw["session_id"]] = writer
            await self.receive(_message(raw))

    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        writer = self._clients.get(target.session_id)
        if writer is None:
            raise ConnectionError(f"nobody is connected in session {target.session_id}")
        writer.write(_line(target, parts))
        await writer.drain()


class LineClient:
    """The other end of :class:`PortChannel`, and of :class:`ThreadChannel` by way of :class:`LineServer`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> LineClient:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def say(self, message_id: str, text: str, *, session_id: str = "s", user_id: str = "u") -> None:
        raw = {"id": message_id, "session_id": session_id, "user_id": user_id, "text": text}
        self._writer.write(json.dumps(raw).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Send as it is."""
        self._writer.write(data)

    async def read(self) -> bytes:
        """The next line as it is; empty when the connection has ended."""
        return await self._reader.readline()

    def crash(self) -> None:
        """Make a :class:`PortChannel` fail."""
        self.write(b"crash\n")

    async def hear(self) -> str:
        """The text of the next answer; empty when the connection has ended."""
        line = await self.read()
        return str(json.loads(line)["text"]) if line else ""

    async def aclose(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):  # the other side was quicker
            await self._writer.wait_closed()


def free_port() -> int:
    """A TCP port of this machine that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- a thread --------------------------------------------------------------------------------------------------------


class ThreadConfig(BaseChannelConfig):
    """:param port: where the :class:`LineServer` listens."""

    port: int


class ThreadChannel(BaseChannel):
    """Receives in a thread of its own that blocks on a socket, as many vendors' libraries do."""

    channel: ClassVar[str] = "thread"
    config_model: ClassVar[type[BaseChannelConfig]] = ThreadConfig
    log: ClassVar[ChannelLog] = ChannelLog()

    def __init__(self, config: ThreadConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._port = config.port
        self._socket: socket.socket | None = None
        self._ended = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        async with self.log.holding(f"thread:{self._port}", alone=False):
            connection = await _connected(self._port)
            thread = threading.Thread(target=self._receive, args=(connection,), name=f"channel-thread:{self._port}")
            thread.start()
            self._socket = connection
            try:
                ready()
                await self._ended.wait()
                raise ConnectionError("the server hung up")
            finally:
                self._socket = None
                _shut_down(connection)
                # Not on the loop: the thread may be waiting for it.
                await asyncio.to_thread(thread.join)
                connection.close()

    def _receive(self, connection: socket.socket) -> None:
        # OSError: the socket was shut down under it, which is how it is told to end.
        with connection.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                message = _message(json.loads(line))
                self.log.received.append(message.text)
                self.receive_from_thread(message)
        self._loop.call_soon_threadsafe(self._ended.set)

    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        await asyncio.to_thread(self._socket.sendall, _line(target, parts))


async def _connected(port: int) -> socket.socket:
    """A blocking socket that is connected. When cancelled, nothing is left."""
    connection = socket.socket()
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except BaseException:
        connection.close()
        raise
    connection.setblocking(True)
    return connection


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)


class LineServer:
    """What a :class:`ThreadChannel` connects to."""

    def __init__(self) -> None:
        self.port = 0
        self.connects = 0
        self._clients: asyncio.Queue[LineClient] = asyncio.Queue()
        self._open: list[LineClient] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[LineServer]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for client in self._open:
                await client.aclose()
            await server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        client = LineClient(reader, writer)
        self._open.append(client)
        self._clients.put_nowait(client)

    async def client(self) -> LineClient:
        """The next channel that connects."""
        return await self._clients.get()


# -- a long poll -----------------------------------------------------------------------------------------------------


class PollConfig(BaseChannelConfig):
    """:param url: where the :class:`PollServer` is. :param token: only one channel may poll with it."""

    url: str
    token: str = "token"


class PollChannel(BaseChannel):
    """Polls an HTTP server that answers when there is something; each poll confirms what came before."""

    channel: ClassVar[str] = "poll"
    config_model: ClassVar[type[BaseChannelConfig]] = PollConfig
    log: ClassVar[ChannelLog] = ChannelLog()

    def __init__(self, config: PollConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._url = config.url
        self._token = config.token
        self._client: httpx.AsyncClient | None = None

    @classmethod
    def exclusive_resources(cls, config: Any) -> frozenset[str]:
        return frozenset({f"token:{config.token}"})

    async def run(self, ready: Callable[[], None]) -> None:
        async with (
            self.log.holding(f"token:{self._token}"),
            httpx.AsyncClient(base_url=self._url, timeout=60, trust_env=False) as client,
        ):
            self._client = client
            ready()
            await self._poll(client)

    async def _poll(self, client: httpx.AsyncClient) -> None:
        offset = 0
        while True:
            answer = await client.get("/updates", params={"offset": offset, "token": self._token})
            answer.raise_for_status()
            for update in answer.json():
                if (await self.receive(_message(update["message"]))).settled:
                    offset = update["offset"] + 1

    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        if self._client is None:
            raise ConnectionError("not connected")
        body = {"session_id": target.session_id, "text": text_of(parts)}
        (await self._client.post("/send", json=body)).raise_for_status()
