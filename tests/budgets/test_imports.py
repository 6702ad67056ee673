"""What starting costs: which modules the command line and the server load before they are asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"agentscope", "agentscope_runtime", "mcp", "numpy", "openai", "sqlalchemy"}
"""The server loads these in a thread while it answers already, or when somebody needs them."""

HEAVY_FOR_COMMANDS = HEAVY | {"fastapi", "httpx", "pydantic", "rich", "starlette", "uvicorn", "watchfiles"}


def loaded(code: str) -> set[str]:
    """Everything a fresh interpreter has imported after ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def command(*arguments: str) -> str:
    """Code that runs the command line and goes on behind it."""
    return (
        "from copaw.cli.main import cli\n"
        f"try:\n    cli({list(arguments)!r}, prog_name='copaw')\nexcept SystemExit as stop:\n    assert not stop.code"
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["agents", "--help"], ["agents", "chat", "--help"], ["chats", "--help"], ["--version"]]
)
def test_a_command_loads_no_heavy_library(arguments: list[str]) -> None:
    modules = loaded(command(*arguments))
    assert "copaw.cli.main" in modules
    assert not modules & HEAVY_FOR_COMMANDS
    assert len(modules) < 300


def test_the_help_of_every_command_loads_no_heavy_library() -> None:
    # Loading a command is all that its help needs.
    code = (
        "import click\nfrom copaw.cli.main import COMMANDS, cli\n"
        "commands = [cli.get_command(click.Context(cli), name) for name in COMMANDS]\nassert all(commands)"
    )
    assert not loaded(code) & HEAVY_FOR_COMMANDS


def test_a_chat_from_the_command_line_loads_no_heavy_library() -> None:
    modules = loaded("import copaw.cli.agents, copaw.cli.chat_command, copaw.cli.client")
    assert not modules & HEAVY_FOR_COMMANDS


def test_the_application_is_imported_without_the_engine() -> None:
    modules = loaded("import copaw.app._app")
    assert "fastapi" in modules
    assert not modules & HEAVY
    assert len(modules) < 900


CHAT = """
import asyncio, sys, tempfile
from pathlib import Path
from copaw.app.services import open_services
from copaw.testing.home import fresh_home, request

async def main(home):
    async with open_services(fresh_home(Path(home)), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        run = await services.runner.start(request("tokens 5"), "default", kind="stream")
        assert (await run.wait_end())["status"] == "completed"

with tempfile.TemporaryDirectory() as home:
    asyncio.run(main(home))
"""

NOT_FOR_A_CHAT = {
    "agentscope.realtime",
    "agentscope_runtime",
    "aiohttp",
    "mcp.server",
    "numpy.linalg",
    "opentelemetry.sdk",
    "redis",
    "urllib3",
}


def test_an_agent_answers_without_the_clients_of_services_that_it_does_not_use() -> None:
    modules = loaded(CHAT)
    assert "agentscope.agent._react_agent" in modules
    assert not modules & NOT_FOR_A_CHAT
    assert len(modules) < 1250


def test_a_model_of_a_provider_is_made_without_its_vendors_client() -> None:
    modules = loaded("import copaw.agents.factory, copaw.providers.registry, copaw.providers.openai_wire")
    assert "aiohttp" in modules
    assert not modules & {"openai", "anthropic", "google.genai"}
