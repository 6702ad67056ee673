"""One server for all tests that can share it, on the scripted model, configured with the real command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from copaw.testing.model_server import ModelServer, running_model_server
from copaw.testing.server import RunningServer, running_server, wait_until

PROVIDER, MODEL, KEY = "scripted", "scripted", "sk-not-shown-to-anybody"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ModelServer]:
    async with running_model_server() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    async with running_server(tmp_path_factory.mktemp("e2e")) as running:
        for arguments in (
            ("add-provider", PROVIDER, "--name", "Scripted", "--base-url", model.base_url),
            ("add-model", PROVIDER, "--model-id", MODEL, "--model-name", "Scripted"),
            ("config-key", PROVIDER, "--key", KEY),
            ("set-llm", PROVIDER, MODEL),
        ):
            done = await running.cli("models", *arguments)
            assert done.returncode == 0, (arguments, done)
        await running.settled()
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def agent(server: RunningServer) -> AsyncIterator[str]:
    """An agent of the test's own on the shared server."""
    ref = await server.call("POST", "/agents", {"name": "Of a test"}, status=201)
    await server.settled(ref["id"])
    yield ref["id"]
    await server.call("DELETE", f"/agents/{ref['id']}")


@pytest.fixture
def children() -> Callable[[RunningServer], list[str]]:
    """The processes below a server's."""

    def of(server: RunningServer) -> list[str]:
        return [str(child) for child in psutil.Process(server.pid).children(recursive=True)]

    return of


class Shells:
    """Commands that write down who they are and then sleep, long enough to be ended by others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def sleeper(self, name: str) -> str:
        """The script of a message whose shell command never ends by itself in time."""
        pid_file = self._directory / f"{name}.pid"
        return (
            f'call execute_shell_command {{"command": "echo $$ > {pid_file}; sleep 60; true", "timeout": 120}}\n'
            "say never said"
        )

    async def pid(self, name: str) -> int:
        """The process id of the shell, as soon as it runs."""
        pid_file = self._directory / f"{name}.pid"
        await wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), what=lambda: f"no {pid_file}")
        return int(pid_file.read_text())


@pytest.fixture
def shells(tmp_path: Path) -> Shells:
    return Shells(tmp_path)
