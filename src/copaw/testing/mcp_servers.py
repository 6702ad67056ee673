"""Real MCP servers for tests and benchmarks, written with the ``mcp`` package.

``python -m copaw.testing.mcp_servers`` speaks MCP over stdio; with ``--http PORT`` over streamable HTTP, with
``--sse PORT`` over the older transport; these print ``listening on URL`` first and end when stdin is closed, so
that none is left over. ``--garbage`` prints lines that are no JSON-RPC between the messages, ``--only-garbage``
prints nothing else, ``--tools N`` adds N tools, ``--record FILE`` appends a line for each call that begins and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copaw.testing.announced import LISTENING, announced_process

HOST = "127.0.0.1"
_MODULE = ("-m", "copaw.testing.mcp_servers")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


def stdio_config(*options: str, **fields: Any) -> dict[str, Any]:
    """The configuration of a client of the stdio server."""
    own = {"name": "test", "transport": "stdio", "command": sys.executable, "args": [*_MODULE, *options]}
    return {**own, **fields}


def http_config(url: str, **fields: Any) -> dict[str, Any]:
    """The configuration of a client of a server over streamable HTTP."""
    return {"name": "test-http", "transport": "streamable_http", "url": url, **fields}


@dataclass(slots=True)
class HttpMcpServer:
    """A server over HTTP that can be ended and started again on its port."""

    url: str
    process: asyncio.subprocess.Process

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    async def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def running_http_server(*options: str, port: int = 0, transport: str = "http") -> AsyncIterator[HttpMcpServer]:
    """Start a server over HTTP and end it by its process id.

    :param transport: ``http`` or ``sse``.
    :raises RuntimeError: it did not start.
    """
    command = (*_MODULE, f"--{transport}", str(port), *options)
    async with announced_process(*command, quiet=True) as (url, process):
        yield HttpMcpServer(url, process)


class Tools:
    """What the server offers. :param record: a file for a line at each begin and end of a call."""

    def __init__(self, record: Path | None) -> None:
        self._record = record

    def note(self, text: str) -> None:
        if self._record is not None:
            with self._record.open("a") as file:
                file.write(f"{text}\n")

    async def echo(self, text: str) -> str:
        """Say the same."""
        self.note(f"echo {text}")
        return text

    async def slow(self, seconds: float, text: str = "done") -> str:
        """Take that long, then say the text."""
        self.note(f"begin {text}")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.note(f"cancelled {text}")
            raise
        self.note(f"end {text}")
        return text

    async def safe_slow(self, seconds: float, text: str = "done") -> str:
        """The same; calling it twice changes nothing more."""
        return await self.slow(seconds, text)

    async def big(self, megabytes: float) -> str:
        """A long text with a mark at its end."""
        return "x" * int(megabytes * 1_000_000) + " THE END"

    async def image(self) -> Any:
        """A picture."""
        from mcp.server.fastmcp import Image

        return ["one pixel", Image(data=PIXEL, format="png")]

    async def resource(self) -> Any:
        """A text that is embedded, and a link."""
        from mcp import types
        from pydantic import AnyUrl

        text = types.TextResourceContents(uri=AnyUrl("note://one"), text="the note", mimeType="text/plain")
        link = types.ResourceLink(type="resource_link", name="two", uri=AnyUrl("note://two"))
        return types.CallToolResult(content=[types.EmbeddedResource(type="resource", resource=text), link])

    async def fail(self, reason: str = "it was asked to") -> str:
        """Fail."""
        raise ValueError(reason)

    async def pid(self) -> str:
        """The server's process id."""
        return str(os.getpid())

    async def spawn(self) -> str:
        """Start a process that outlives this one, in a session of its own; its process id."""
        quiet = subprocess.DEVNULL
        command = ["sleep", "600"]
        child = await asyncio.create_subprocess_exec(
            *command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        return str(child.pid)

    async def environment(self, name: str) -> str:
        """The value of a variable."""
        return os.environ.get(name, "(not set)")

    async def die(self) -> str:
        """End the server without an answer."""
        os._exit(3)


def make_server(options: argparse.Namespace) -> Any:
    """The server with its tools."""
    from mcp.server.fastmcp import FastMCP
    from mcp.types import ToolAnnotations

    server = FastMCP("copaw-testing", host=HOST, log_level="CRITICAL")
    tools = Tools(options.record)
    plain = (
        *(tools.echo, tools.slow, tools.big, tools.image, tools.resource, tools.fail, tools.pid, tools.spawn),
        *(tools.environment, tools.die),
    )
    for function in plain:
        server.add_tool(function, structured_output=False)
    server.add_tool(tools.safe_slow, structured_output=False, annotations=ToolAnnotations(idempotentHint=True))
    for number in range(options.tools):
        server.add_tool(_numbered(number), name=f"tool-{number}", structured_output=False)
    if options.garbage:
        server.add_tool(_chatty, name="chatty", structured_output=False)
    return server


def _numbered(number: int) -> Any:
    async def numbered() -> str:
        """One of many."""
        return f"number {number}"

    return numbered


async def _chatty() -> str:
    """Print what is no message, then answer."""
    sys.stdout.buffer.write(b'not a message\n{"neither": 1}\n\xff\xfe\n')
    sys.stdout.buffer.flush()
    return "answered"


async def _serve_http(server: Any, port: int, *, sse: bool) -> None:
    import socket

    import uvicorn

    listener = socket.create_server((HOST, port))
    app = server.sse_app() if sse else server.streamable_http_app()
    path = "sse" if sse else "mcp"
    print(f"{LISTENING}http://{HOST}:{listener.getsockname()[1]}/{path}", flush=True)
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    serving = asyncio.create_task(uvicorn.Server(config).serve(sockets=[listener]))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait([serving, ended], return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)  # streams that are open must not delay the end


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m copaw.testing.mcp_servers", description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="streamable HTTP; 0: a free port")
    parser.add_argument("--sse", type=int, metavar="PORT")
    parser.add_argument("--garbage", action="store_true")
    parser.add_argument("--only-garbage", action="store_true")
    parser.add_argument("--tools", type=int, default=0)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if options.only_garbage:
        _print_garbage()
        return
    if options.garbage:
        print("Welcome! This is no message.", flush=True)
    server = make_server(options)
    port = options.sse if options.http is None else options.http
    with suppress(KeyboardInterrupt):
        if port is None:
            server.run("stdio")
        else:
            asyncio.run(_serve_http(server, port, sse=options.http is None))


def _print_garbage() -> None:
    with suppress(BrokenPipeError):
        print("starting up", file=sys.stderr, flush=True)
        for number in range(1000):
            print(f"garbage {number}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
