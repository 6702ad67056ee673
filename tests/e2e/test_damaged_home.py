"""A home with damaged files: the server starts, says which they are, serves the rest, and writes over none of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from copaw.config.home import make_agent_workspace, make_home
from copaw.config.models import new_profile
from copaw.paths import Paths
from copaw.testing.server import RunningServer, ServerFailed, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

DEEP = b"[" * 50_000
CHATS = "chats.json"
DAMAGED: dict[str, tuple[str, bytes]] = {
    "agent": ("agent.json", b'{"id": "agent", "name": "A", "running": {"max_iters": "many"}}'),
    "cut": ("agent.json", b'{"id": "cut", "na'),
    "chats": (CHATS, b'{"version": 1, "chats": [{"id": 5}]}'),
    "zeros": (CHATS, b"\0" * 4096),
    "jobs": ("jobs.json", b'{"version": 1, "jobs": [{"id": "j", "name": "J"}]}'),
    "deep": ("jobs.json", b'{"jobs": ' + DEEP),
    "bytes": ("sessions/u_s.json", b"\xff\xfe\x00 not UTF-8"),
    "nested": ("sessions/u_s.json", b'{"agent": {"memory": {"content": ' + DEEP),
}
"""By agent: which of its files is damaged, and how."""

SECRETS = {
    "providers/builtin/openai.json": b'{"id": "openai", "name": 5, "api_key": "sk-0123456789"',
    "providers/custom/own.json": b'{"id": "own", "name": "Own", "models": "none"}',
    "envs.json": b'{"A": 5}',
}


@dataclass
class Damaged:
    server: RunningServer
    files: dict[Path, bytes]

    async def error(self, method: str, path: str, body: Any = None, *, agent_id: str | None = None) -> str:
        """What an operation that needs a damaged file says."""
        response = await self.server.send(method, path, body, agent_id=agent_id)
        assert response.status_code >= 400, response.text
        return response.json()["detail"]


def make(home: Path) -> dict[Path, bytes]:
    paths = Paths(working_dir=home / "copaw", secret_dir=home / "copaw.secret")
    make_home(paths, language="en")
    config = json.loads(paths.config_file.read_text())
    files = {}
    for agent_id, (name, content) in DAMAGED.items():
        root = paths.default_workspace(agent_id)
        make_agent_workspace(root, new_profile(agent_id, agent_id, workspace_dir=str(root), language="en"), "en")
        config["agents"]["profiles"][agent_id] = {"id": agent_id, "workspace_dir": str(root), "enabled": True}
        files[root / name] = content
    paths.config_file.write_text(json.dumps(config))
    files |= {paths.secret_dir / name: content for name, content in SECRETS.items()}
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return files


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def damaged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Damaged]:
    home = tmp_path_factory.mktemp("damaged")
    files = make(home)
    async with running_server(home) as server:
        yield Damaged(server, files)


async def test_each_damaged_file_is_named_by_the_operations_that_need_it(damaged: Damaged) -> None:
    asked = [
        ("agent", "GET", "/agent/running-config", None, "running.max_iters"),
        ("cut", "PUT", "/agent/running-config", {"max_iters": 5}, "not JSON"),
        ("chats", "GET", "/chats", None, "chats.0.id"),
        ("chats", "POST", "/chats", {"session_id": "s", "user_id": "u"}, "chats.0.id"),
        ("zeros", "GET", "/chats", None, "not JSON"),
        ("jobs", "GET", "/cron/jobs", None, "jobs.0.schedule"),
        ("deep", "GET", "/cron/jobs", None, "nested too deeply"),
    ]
    for agent_id, method, path, body, said in asked:
        told = await damaged.error(method, path, body, agent_id=agent_id)
        assert DAMAGED[agent_id][0] in told, told
        assert said in told, told
    key = {"api_key": "sk-new"}
    assert "openai.json" in await damaged.error("PUT", "/models/openai/config", key)
    assert "own.json" in await damaged.error("PUT", "/models/own/config", key)
    assert "envs.json" in await damaged.error("PUT", "/envs", {"B": "1"})
    providers = {one["id"]: one["meta"] for one in await damaged.server.call("GET", "/models")}
    assert "openai.json" in providers["openai"]["config_error"]
    assert "sk-0123456789" not in damaged.server.log


async def test_the_rest_works(damaged: Damaged) -> None:
    server = damaged.server
    assert await server.ask("say well") == "well"
    assert await server.ask("say jobs are not needed for that", agent_id="jobs") == "jobs are not needed for that"
    listed = {one["id"]: one.get("problem") for one in (await server.call("GET", "/agents"))["agents"]}
    assert {agent_id for agent_id, problem in listed.items() if problem} == {"agent", "cut"}
    await server.call("PUT", "/models/ollama/config", {"generate_kwargs": {"temperature": 0.5}})
    await server.call("POST", "/chats", {"session_id": "s", "user_id": "u"})


@pytest.mark.parametrize("agent_id", ["bytes", "nested"])
async def test_a_damaged_session_is_set_aside_and_the_conversation_goes_on(damaged: Damaged, agent_id: str) -> None:
    server = damaged.server
    assert await server.ask("say anew", agent_id=agent_id, session_id="s", user_id="u") == "anew"
    name, content = DAMAGED[agent_id]
    file = server.workspace(agent_id) / name
    (aside,) = file.parent.glob("u_s.json.damaged-*")
    assert aside.read_bytes() == content
    assert aside.name in server.log
    assert len(json.loads(file.read_text())["agent"]["memory"]["content"]) == 2


async def test_no_damaged_file_was_written_over(damaged: Damaged) -> None:
    """The last of this module: it ends the server."""
    damaged.server.terminate()
    assert await damaged.server.wait_ended() == 0
    kept = {file: content for file, content in damaged.files.items() if file.parent.name != "sessions"}
    assert {file: file.read_bytes() for file in kept} == kept
    assert "Traceback" not in damaged.server.log


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"agents": {"profiles": {"default": 5}}}', "agents.profiles.default"),
        (b'{"agents": ' + DEEP, "nested too deeply"),
    ],
)
async def test_a_server_whose_config_is_damaged_says_so_and_does_not_start(
    tmp_path: Path, content: bytes, said: str
) -> None:
    paths = Paths(working_dir=tmp_path / "copaw", secret_dir=tmp_path / "copaw.secret")
    make_home(paths, language="en")
    paths.config_file.write_bytes(content)
    with pytest.raises(ServerFailed, match=r"config\.json") as caught:
        async with running_server(tmp_path):
            pass
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert paths.config_file.read_bytes() == content
