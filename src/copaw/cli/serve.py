"""uvicorn as copaw runs it: it says when it listens, leaves with status 0, and a second signal ends it at once."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import logging
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
import uvicorn
import uvicorn.config
from uvicorn.supervisors import ChangeReload

import copaw
from copaw.cli.address import url_of
from copaw.cli.exposure import warn_if_exposed
from copaw.cli.heaps import share_heaps
from copaw.cli.listen import record_last_api, refused
from copaw.security.settings import AuthSettings

APP = "copaw.app._app:app"
STREAM_GRACE_S = 5
"""How long open responses may go on once the application has drained: every run has its end by then."""


SETTLE_S = 10
"""An agent may take long to start; garbage is not left alone for longer than this."""

_TOKEN = re.compile(r"(?<=[?&]token=)[^&\s]+")


class HideTokens(logging.Filter):
    """Blots out the tokens that event streams take in their address."""

    def filter(self, record: logging.LogRecord) -> bool:
        match record.args:
            case (client, method, str(path), *rest) if "token=" in path:
                record.args = (client, method, _TOKEN.sub("***", path), *rest)
        return True


class HidePaths(logging.Filter):
    """Keeps requests with any of these in their path out of the access log."""

    def __init__(self, hidden: Sequence[str]) -> None:
        super().__init__()
        self._hidden = tuple(part for part in hidden if part)

    def filter(self, record: logging.LogRecord) -> bool:
        match record.args:
            case (_, _, str(path), *_):
                return not any(part in path for part in self._hidden)
        return True


class Server(uvicorn.Server):
    """One server process.

    :param runtime_file: gets ``last_api`` once the server really listens.
    """

    def __init__(self, config: uvicorn.Config, *, runtime_file: Path, hidden_paths: Sequence[str]) -> None:
        super().__init__(config)
        self._runtime_file = runtime_file
        self._hidden_paths = tuple(hidden_paths)
        self._signals = 0
        self._serving: asyncio.Task[Any] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._serving = asyncio.current_task()
        share_heaps(os.environ)
        # What is imported stays: nothing of it is garbage, and looking takes a tenth of the start.
        gc.disable()
        try:
            await super().serve(sockets)
        finally:
            gc.enable()
            if self._settling is not None:
                self._settling.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        access_log = logging.getLogger("uvicorn.access")
        access_log.addFilter(HidePaths(self._hidden_paths))
        access_log.addFilter(HideTokens())
        assert sockets
        host, port = sockets[0].getsockname()[:2]
        try:
            await super().startup(sockets)
        except OSError as error:
            # Two servers may have bound the same port; only one of them can listen.
            await self.lifespan.shutdown()
            raise refused(host, port, error) from error
        await asyncio.to_thread(record_last_api, self._runtime_file, host, port)
        url = url_of(host, port)
        click.echo(f"Listening on {url}")
        click.echo(f"Open {url}/ in a browser, or type in another terminal:")
        click.echo("  copaw agents list\n  copaw agents status --watch")
        sys.stdout.flush()
        warn_if_exposed(host, port, AuthSettings.from_environment(os.environ))
        self._settling = asyncio.create_task(self._settle(), name="settle")

    async def _settle(self) -> None:
        """Collect garbage from here on, but never again among what the start has brought.

        A look at all of that would stop the event loop for 50 to 100 ms, at a moment that nobody chooses.
        """
        ready: asyncio.Event | None = self.lifespan.state.get("ready")
        if ready is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    await ready.wait()
        gc.freeze()
        gc.enable()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not recorded for uvicorn: it would raise the signal again at the end and spoil the exit status.
        self._signals += 1
        if self._signals == 1 and self._serving is not None:
            self._serving.get_loop().call_soon_threadsafe(self._begin_drain)
        elif self._signals == 1:
            self.should_exit = True
        elif self._signals == 2 and self._serving is not None:
            self.force_exit = True
            self._serving.get_loop().call_soon_threadsafe(self._serving.cancel)
        else:
            os._exit(1)

    def _begin_drain(self) -> None:
        self._draining = asyncio.create_task(self._drain(), name="drain")

    async def _drain(self) -> None:
        """Let the application drain while it still answers; uvicorn's own order would close the doors first."""
        try:
            drain = self.lifespan.state.get("drain")
            if drain is not None:
                await drain()
        finally:
            self.should_exit = True

    def __getstate__(self) -> dict[str, Any]:
        """For ``--reload``, whose child process gets this object before it serves."""
        return {**self.__dict__, "_serving": None}


def serve(
    listener: socket.socket, *, runtime_file: Path, log_level: str, hidden_paths: Sequence[str], reload: bool
) -> None:
    """Run until a signal. Returns after a clean end.

    :param listener: bound, not yet listening; closed at the end.
    :raises click.exceptions.Exit: the server could not start, or was ended by a second signal.
    """
    config = uvicorn.Config(
        APP,
        log_level=log_level,
        log_config=_log_config(),
        reload=reload,
        # The sources are seldom below the directory it is started in.
        reload_dirs=[str(Path.cwd()), str(Path(copaw.__file__).parent)] if reload else None,
        loop="auto",
        timeout_graceful_shutdown=STREAM_GRACE_S,
    )
    server = Server(config, runtime_file=runtime_file, hidden_paths=hidden_paths)
    with listener:
        if reload:
            ChangeReload(config, target=server.run, sockets=[listener]).run()
            return
        try:
            server.run(sockets=[listener])
        except asyncio.CancelledError:
            click.echo("Ended at once; what was running was not drained.", err=True)
            raise click.exceptions.Exit(1) from None
        except SystemExit as stop:
            click.echo("Error: The server could not start; the messages above say why.", err=True)
            raise click.exceptions.Exit(1) from stop


def _log_config() -> dict[str, Any]:
    """uvicorn's logging with everything on stderr: stdout is for what the user asked for."""
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    config["handlers"]["access"]["stream"] = "ext://sys.stderr"
    return config
