"""The stdio transport: a server as a child process, in a session of its own, ended with everything it started."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

import copaw.app.mcp.child_guard as guard
from copaw.app.mcp.lines import Garbage, GarbageError, Lines
from copaw.app.mcp.settings import ClientSettings
from copaw.config.shielded import to_the_end
from copaw.errors import BadInput

if TYPE_CHECKING:
    from mcp.shared.message import SessionMessage

Incoming: TypeAlias = "SessionMessage | Exception"
Streams: TypeAlias = "tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]"
"""What ``mcp``'s session reads from and writes to."""

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_LARGE_BYTES = 1024 * 1024
_LINGER_S = 0.5
_STDERR_LINES, _STDERR_LINE_CHARS = 20, 300
END_BOUND_S = guard.QUIT_GRACE_S + 3 * guard.TERM_GRACE_S
"""After so long even the guard is killed, in seconds."""

INHERITED = (
    "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    "APPDATA", "LOCALAPPDATA", "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERPROFILE",
)  # fmt: skip
"""What a server gets of our environment beside what is configured. Our own secrets are not among it."""


class Child:
    """A running server process.

    :param process: the guard, which leads a session with the server in it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.garbage = Garbage()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)

    @property
    def last_words(self) -> str:
        """What it printed that may explain its end."""
        said = " | ".join(self._stderr)
        parts = [self.garbage.sentence, f"It wrote to stderr: {said}" if said else ""]
        return " ".join(part for part in parts if part)

    async def read_stderr(self) -> None:
        """Keep the last lines that it writes to stderr, and no more."""
        assert self.process.stderr is not None
        begun = b""
        while chunk := await self.process.stderr.read(_CHUNK_BYTES):
            *lines, begun = (begun + chunk).split(b"\n")
            begun = begun[-_STDERR_LINE_CHARS:]
            for line in lines[-_STDERR_LINES:]:
                if text := line[:_STDERR_LINE_CHARS].decode("utf-8", "replace").strip():
                    self._stderr.append(text)

    async def end(self) -> None:
        """Hang up, and wait until it is gone with everything it started; takes :data:`END_BOUND_S` at most."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        if self.process.returncode is None and not await self._gone(END_BOUND_S):
            logger.warning("MCP server process %d did not end and is killed", self.process.pid)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self._gone(guard.TERM_GRACE_S)

    async def _gone(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.process.wait()
        return self.process.returncode is not None


@asynccontextmanager
async def stdio_streams(settings: ClientSettings) -> AsyncIterator[tuple[Streams, Child]]:
    """Start the server and give the streams of ``mcp``'s session. Leaving ends the process and its descendants.

    :raises BadInput: there is no such command or directory.
    :raises OSError: it cannot be started.
    """
    child = Child(await _start(settings, server_environ(settings.env, os.environ)))
    to_session, from_server = anyio.create_memory_object_stream["Incoming"](0)
    to_server, from_session = anyio.create_memory_object_stream["SessionMessage"](0)
    work = [
        asyncio.create_task(child.read_stderr(), name="mcp-stderr"),
        asyncio.create_task(_read(child, to_session), name="mcp-stdout"),
        asyncio.create_task(_write(child, from_session), name="mcp-stdin"),
    ]
    try:
        yield (from_server, to_server), child
    finally:
        await to_the_end(_close(child, work), name="mcp-close")
        for stream in (to_session, from_server, to_server, from_session):
            stream.close()


async def _close(child: Child, work: list[asyncio.Task[None]]) -> None:
    await child.end()
    await asyncio.wait(work, timeout=_LINGER_S)
    for task in work:
        task.cancel()
    await asyncio.wait(work)
    for task in work:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("MCP server process %d: %s: %s", child.process.pid, task.get_name(), error)


async def _start(settings: ClientSettings, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    command, cwd = await asyncio.to_thread(_located, settings, environ.get("PATH"))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", guard.__file__, command, *settings.args),
        env=dict(environ),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_CHUNK_BYTES,
        start_new_session=True,
    )


def _located(settings: ClientSettings, search_path: str | None) -> tuple[str, Path | None]:
    """The program and the directory to start it in. Blocking."""
    cwd = Path(settings.cwd).expanduser() if settings.cwd else None
    if cwd is not None and not cwd.is_dir():
        raise BadInput(f"cwd: there is no directory {cwd}.", field="cwd")
    program = shutil.which(Path(settings.command).expanduser(), path=search_path)
    if program is None and cwd is not None:
        program = shutil.which(cwd / settings.command)
    if program is None:
        raise BadInput(f"command: '{settings.command}' was not found; install it, or give its path.", field="command")
    return str(Path(program).absolute()), cwd


def server_environ(configured: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a server."""
    inherited = {name: environ[name] for name in INHERITED if name in environ and not environ[name].startswith("()")}
    return {**inherited, **configured}


async def _read(child: Child, to_session: MemoryObjectSendStream[Incoming]) -> None:
    """Messages from the server to the session, until its stdout ends or it prints too much garbage."""
    assert child.process.stdout is not None
    lines = Lines()
    async with to_session:
        # Closing the stream is how the session learns of the end, whatever it is.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, GarbageError):
            while chunk := await child.process.stdout.read(_CHUNK_BYTES):
                for line in lines.feed(chunk):
                    message = await _parsed(line)
                    if message is None:
                        child.garbage.add(line)
                    else:
                        await to_session.send(message)


async def _parsed(line: bytes) -> SessionMessage | None:
    if not line.lstrip().startswith(b"{"):
        return None
    if len(line) > _LARGE_BYTES:
        return await asyncio.to_thread(_parse, line)
    return _parse(line)


def _parse(line: bytes) -> SessionMessage | None:
    from mcp.shared.message import SessionMessage
    from mcp.types import JSONRPCMessage
    from pydantic import ValidationError

    try:
        return SessionMessage(JSONRPCMessage.model_validate_json(line))
    except ValidationError:
        return None


async def _write(child: Child, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Messages from the session to the server, until the session or the server's stdin ends."""
    stdin = child.process.stdin
    assert stdin is not None
    async with from_session:
        with suppress(ConnectionError):
            async for message in from_session:
                stdin.write(message.message.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n")
                await stdin.drain()
