"""A provider that answers with exactly the bytes it is told to, right or wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Sequence[bytes]
"""What is written for one request, in as many writes; the connection is closed behind it."""


def http(body: bytes, content_type: str = "text/event-stream", status: str = "200 OK", *headers: str) -> bytes:
    """An answer that says how long it is."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*parts: bytes, content_type: str = "text/event-stream") -> bytes:
    """An answer in chunks that lacks the last, empty one; see :data:`LAST_CHUNK`."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class RawServer:
    """A running server. :param requests: heads and bodies of what came in."""

    url: str
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@asynccontextmanager
async def raw_server(
    *scripts: Script, hold: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Answer the first request by the first script, and so on; the last one serves all that follow.

    :param hold: keep connections open behind an answer.
    :param tls: speak it.
    """
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()
        connections.discard(writer)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        script = scripts[min(len(server.requests), len(scripts) - 1)]
        server.requests.append((head, await reader.readexactly(int(fields.get("content-length", "0")))))
        for part in script:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)  # so that the parts arrive one by one
        if hold:
            await reader.read()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    server = RawServer(f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")
    try:
        yield server
    finally:
        listening.close()
        for writer in connections:
            writer.close()
        await listening.wait_closed()
