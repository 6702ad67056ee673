"""The built wheel installs into an empty environment from the lock file alone, and serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from copaw import __version__

ROOT = Path(__file__).parents[2]
LISTENING = "Listening on "
READY_WITHIN_S = 60.0

pytestmark = [pytest.mark.wheel, pytest.mark.e2e, pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` directory of an environment that has the wheel and what the lock file names."""
    dist, environment = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    venv.create(environment, with_pip=True)
    pip = (str(environment / "bin" / "python"), "-m", "pip", "install", "-qq")
    _run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock"))
    _run(*pip, "--no-deps", str(wheel))
    return environment / "bin"


def _run(*command: str) -> str:
    # Away from the checkout, so that nothing of it can be imported by accident.
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@contextmanager
def _server(copaw: Path, home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COPAW_")}
    environ["COPAW_WORKING_DIR"] = str(home / "working")
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [str(copaw), "app", "--port", "0"],
            cwd="/",
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    killer = threading.Timer(READY_WITHIN_S * 2, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        addresses = (line.removeprefix(LISTENING).strip() for line in process.stdout if line.startswith(LISTENING))
        address = next(addresses, "")
        assert address, (home / "log").read_text()
        yield process, address
    finally:
        killer.cancel()
        process.kill()
        process.communicate()


def _get(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _wait_until_ready(address: str) -> dict[str, object]:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        status, body = _get(f"{address}/readyz")
        if status == 200 or time.monotonic() > deadline:
            assert status == 200, body
            return body
        time.sleep(0.05)


def test_the_command_tells_its_version(installed: Path) -> None:
    assert __version__ in _run(str(installed / "copaw"), "--version")


def test_nothing_that_it_needs_is_missing_or_of_another_version(installed: Path) -> None:
    assert "No broken requirements" in _run(str(installed / "python"), "-m", "pip", "check")


def test_the_server_starts_becomes_ready_and_leaves_in_order(installed: Path, tmp_path: Path) -> None:
    with _server(installed / "copaw", tmp_path) as (process, address):
        assert _get(f"{address}/healthz") == (200, {"status": "ok"})
        assert _wait_until_ready(address)["agents"] == {"default": "serving"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_an_agent_answers(installed: Path, tmp_path: Path) -> None:
    with _server(installed / "copaw", tmp_path) as (_, address):
        _wait_until_ready(address)
        asked = ["agents", "chat", "--base-url", address, "--from-agent", "me", "--to-agent", "default"]
        assert "It works." in _run(str(installed / "copaw"), *asked, "--text", "say It works.")


def test_the_doctor_finds_nothing_broken_and_the_program_removes_itself(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last test here: it takes the program away.
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "working"))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "secret"))
    copaw = str(installed / "copaw")
    _run(copaw, "init", "--defaults", "--accept-security")
    assert json.loads(_run(copaw, "doctor", "--json"))["level"] in ("ok", "warn")
    assert "-m pip uninstall --yes copaw" in _run(copaw, "uninstall", "--purge", "--yes")
    assert not (installed / "copaw").exists()
    assert not (tmp_path / "working").exists()
