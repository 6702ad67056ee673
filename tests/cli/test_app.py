"""``copaw app`` as a real process, with a tiny application in place of the server's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copaw.cli.transport import Transport

TINY = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.environ.get("TINY") == "broken":
            await send({"type": "lifespan.startup.failed", "message": "no disk"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if os.environ.get("TINY") == "slow":
            print("closing", flush=True)
            await asyncio.sleep(3600)
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b'{"level": "%s"}' % os.environ["COPAW_LOG_LEVEL"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
"""
START = """
import copaw.cli.serve
copaw.cli.serve.APP = "tiny:app"
from copaw.cli.main import main
main()
"""

pytestmark = pytest.mark.e2e
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, home: Path) -> Iterator[Start]:
    (tmp_path / "tiny.py").write_text(TINY)
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, tiny: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", START, "app", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "TINY": tiny},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _listening(process: subprocess.Popen[str]) -> str:
    """The address, after checking what is said to open there."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        if line.startswith("Listening on "):
            url = line.split()[-1]
            assert process.stdout.readline().startswith(f"Open {url}/ ")
            return url
    raise AssertionError(process.stderr and process.stderr.read())


def test_it_makes_a_home_says_where_it_listens_records_it_and_ends_with_status_0(start: Start, home: Path) -> None:
    process = start("--port", "0", "--log-level", "debug", "--hide-access-paths", "/hidden")
    url = _listening(process)
    assert (home / "config.json").exists()
    port = int(url.rpartition(":")[2])
    assert json.loads((home / "runtime.json").read_text())["last_api"] == {"host": "127.0.0.1", "port": port}
    assert Transport(url).call("GET", "/api/shown") == {"level": "debug"}
    Transport(url).call("GET", "/api/hidden")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "/api/shown" in err
    assert "/api/hidden" not in err


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    process = start("--port", "0", tiny="slow")
    _listening(process)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert "closing\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Ended at once" in err


def test_a_port_in_use_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("Error: Port ")
    assert len(err.splitlines()) == 1


def test_a_failed_start_records_nothing_and_exits_1(start: Start, home: Path) -> None:
    process = start("--port", "0", tiny="broken")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "no disk" in err
    assert "could not start" in err
    assert not (home / "runtime.json").exists()


def test_several_workers_are_refused(run, home: Path) -> None:
    result = run("app", "--workers", "2")
    assert result.exit_code == 2
    assert "one process owns a working directory" in result.stderr
    assert not home.exists()


def test_with_reload_a_changed_source_starts_it_anew_on_the_same_port(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = start("--port", "0", "--reload")
    url = _listening(process)
    seen = threading.Event()

    def change() -> None:
        # Again if need be: the watcher may begin to look only after the server has said that it listens.
        for number in range(10):
            (tmp_path / "tiny.py").write_text(f"{TINY}\n# change {number}\n")
            if seen.wait(3):
                return

    changing = threading.Thread(target=change, name="change")
    changing.start()
    try:
        assert _listening(process) == url
    finally:
        seen.set()
        changing.join()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
