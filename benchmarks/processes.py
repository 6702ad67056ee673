"""The processes of a benchmark: the model server, the server that is measured, the floor."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.client import Target
from benchmarks.results import FLOOR, SUBJECT
from copaw.cli.drill.server import drill_environ, stop

HOST = "127.0.0.1"
PROCESS_PATH = "/api/agent/process"
_POLL_S = 0.005
_START_TIMEOUT_S = 90.0
_UNLIMITED = {
    # What is measured is the server, not its politeness towards a provider.
    "COPAW_LLM_MAX_QPM": "0",
    "COPAW_LLM_MAX_CONCURRENT": "256",
}


@contextmanager
def model_server() -> Iterator[str]:
    """Run the scripted model server; yields its address, which ends in ``/v1``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.model"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("listening on ").strip()
    finally:
        stop(process)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A directory for one server's files."""
    home = Path(tempfile.mkdtemp(prefix="copaw-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def environ_of(home: Path) -> dict[str, str]:
    """The environment of everything that belongs to ``home``."""
    return {**drill_environ(_as_installed(os.environ), home), **_UNLIMITED}


def _as_installed(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what keeps Python from using compiled files, which every installed program has."""
    return {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def copaw_server(home: Path) -> Iterator[tuple[Target, float]]:
    """Run ``copaw app``; yields it once it answers, and after how many seconds it did."""
    port = free_port()
    command = (sys.executable, "-m", "copaw", "app", "--host", HOST, "--port", str(port))
    with _running(command, environ_of(home), home / "server.log", port, "/healthz") as (pid, seconds):
        yield Target(SUBJECT, HOST, port, PROCESS_PATH, pid), seconds


@contextmanager
def floor_server(home: Path, model_url: str) -> Iterator[tuple[Target, float]]:
    """Run the floor; yields as :func:`copaw_server`."""
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.floor_app", model_url, str(port))
    with _running(command, _as_installed(os.environ), home / "floor.log", port, "/health") as (pid, seconds):
        yield Target(FLOOR, HOST, port, "/process", pid), seconds


@contextmanager
def _running(
    command: tuple[str, ...], environ: Mapping[str, str], log_file: Path, port: int, path: str
) -> Iterator[tuple[int, float]]:
    with log_file.open("ab") as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            wait_for(process, port, path, log_file)
            yield process.pid, time.monotonic() - begun
        finally:
            stop(process)


def wait_for(process: subprocess.Popen[str], port: int, path: str, log_file: Path) -> None:
    """Wait until ``path`` answers 200. :raises RuntimeError: it never did; with the end of the log."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(port, path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log_file.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(_POLL_S)


def answers(port: int, path: str) -> bool:
    """Whether ``path`` answers 200 now."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def memory_mb(pid: int) -> float:
    """Resident memory of a process, in MB of 1,000,000 bytes."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def processor_s(pid: int) -> float:
    """Processor time that a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
