"""A server of the drill's own, in a temporary home, always ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from copaw.errors import CopawError

COMMAND = (sys.executable, "-m", "copaw")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
_LISTENING = "Listening on "


class ServerDied(CopawError):
    """The drill's server did not start."""

    code = "DRILL_SERVER_DIED"


@dataclass(frozen=True, slots=True)
class DrillServer:
    """A running server.

    :param environ: for commands that talk to it.
    """

    base_url: str
    home: Path
    log_file: Path
    environ: Mapping[str, str]

    def log_tail(self, lines: int = 30) -> str:
        """The end of what the server wrote."""
        return "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-lines:])


@contextmanager
def running_server(*, keep: bool) -> Iterator[DrillServer]:
    """Start a server on a free loopback port; end it and, unless ``keep``, remove its home.

    :raises ServerDied: it did not listen within :data:`START_TIMEOUT_S`; the message has the end of its log.
    """
    home = Path(tempfile.mkdtemp(prefix="copaw-drill-"))
    try:
        environ = drill_environ(os.environ, home)
        log_file = home / "server.log"
        with server_process(environ, log_file) as (process, listening):
            base_url = wait_until_listening(process, listening, log_file)
            yield DrillServer(base_url, home, log_file, environ)
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


def drill_environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The user's environment without any setting of copaw, so that only the drill's home counts."""
    kept = {name: value for name, value in environ.items() if not name.startswith("COPAW_")}
    own = {
        "COPAW_WORKING_DIR": str(home / "working"),
        "COPAW_SECRET_DIR": str(home / "secret"),
        # The drill's own shell commands need nobody's approval.
        "COPAW_TOOL_GUARD_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }
    return {**kept, **own}


class Listening:
    """Copies the server's output to its log file and notices its address."""

    def __init__(self, output: IO[str], log_file: Path) -> None:
        self.base_url = ""
        self.known = threading.Event()
        self._output = output
        self._log_file = log_file

    def run(self) -> None:
        with self._log_file.open("w", encoding="utf-8") as log:
            for line in self._output:
                log.write(line)
                log.flush()
                if line.startswith(_LISTENING):
                    self.base_url = line.removeprefix(_LISTENING).strip()
                    self.known.set()
        self.known.set()


@contextmanager
def server_process(environ: Mapping[str, str], log_file: Path) -> Iterator[tuple[subprocess.Popen[str], Listening]]:
    """Start ``copaw app`` on a free loopback port, its output going to ``log_file``; end it afterwards."""
    process = subprocess.Popen(
        [*COMMAND, "app", "--host", "127.0.0.1", "--port", "0"],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        # A group of its own, so that Ctrl-C reaches the drill, which then ends the server in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    listening = Listening(process.stdout, log_file)
    reader = threading.Thread(target=listening.run, name="drill-server-log", daemon=True)
    reader.start()
    try:
        yield process, listening
    finally:
        stop(process)
        reader.join(5)
        process.stdout.close()


def stop(process: subprocess.Popen[str], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """End a process: SIGTERM, then after ``timeout_s`` SIGKILL."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_listening(process: subprocess.Popen[str], listening: Listening, log_file: Path) -> str:
    """The server's address, as soon as it listens.

    :raises ServerDied: it did not within :data:`START_TIMEOUT_S`; the message has the end of its log.
    """
    how = f"did not listen within {START_TIMEOUT_S:g} s"
    if listening.known.wait(START_TIMEOUT_S):
        if listening.base_url:
            return listening.base_url
        # Its output has ended; the process itself may need a moment more.
        with suppress(subprocess.TimeoutExpired):
            how = f"ended with status {process.wait(5)}"
    log = log_file.read_text("utf-8", "replace") if log_file.exists() else ""
    raise ServerDied(f"The server {how}; the end of its log: {' | '.join(log.splitlines()[-8:]) or 'empty'}")
