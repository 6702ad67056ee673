"""What a generation holds of MCP: shared, kept over generations, and nothing at all where nothing is configured."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from copaw.app.mcp.clients import McpClients
from copaw.config.envs import EnvFile
from copaw.config.models import MCPClientConfig, MCPConfig, new_profile
from copaw.config.models.agent import AgentProfileConfig
from copaw.tools.registry import enabled_tools


def profile(**clients: MCPClientConfig) -> AgentProfileConfig:
    return new_profile("a", "A").model_copy(update={"mcp": MCPConfig(clients=clients)})


def broken(**fields: object) -> MCPClientConfig:
    """A client that fails at once without a process."""
    return MCPClientConfig.model_validate({"name": "n", "command": "no-such-command-anywhere", **fields})


async def test_generations_and_agents_share_what_is_the_same(tmp_path: Path) -> None:
    clients, builtin = McpClients(EnvFile(tmp_path)), enabled_tools({})
    first = profile(k=broken(), own=broken(share=False), off=broken(enabled=False))
    async with clients.tools_for("a", first, builtin) as tools:
        assert tools() == tuple(builtin)
        async with clients.tools_for("a", profile(other_key=broken(description="d")), builtin):
            assert sorted(clients.pool.statistics().users.values()) == [1, 2]
        async with clients.tools_for("b", first, builtin):
            assert sorted(clients.pool.statistics().users.values()) == [1, 1, 2]
        found = await clients.find_all("a", first)
        assert [key for key, client in found.items() if client is not None] == ["k", "own"]
        assert "was not found" in (found["k"].status().last_error or "") if found["k"] else False
    statistics = clients.pool.statistics()
    assert (statistics.users, statistics.open, statistics.opened) == ({}, 0, 3)


async def test_a_broken_file_of_variables_harms_only_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "envs.json").write_text("{broken")
    clients = McpClients(EnvFile(tmp_path))
    config = broken(env={"A": "${NOT_SET_ANYWHERE}"})
    async with clients.tools_for("a", profile(k=config), []):
        client = await clients.find("a", "k", config)
        assert client is not None
        assert "NOT_SET_ANYWHERE is not set" in (client.status().last_error or "")


async def test_variables_come_from_the_secrets_first(tmp_path: Path) -> None:
    envs = EnvFile(tmp_path)
    await asyncio.to_thread(envs.set, "HOME", "/nowhere/else")
    clients, config = McpClients(envs), broken(command="${HOME}/server")
    async with clients.tools_for("a", profile(k=config), []):
        client = await clients.find("a", "k", config)
        assert client is not None
        assert "'/nowhere/else/server' was not found" in (client.status().last_error or "")


async def test_what_an_agent_wants_changes_with_the_variables_it_uses_and_with_no_others(tmp_path: Path) -> None:
    envs = EnvFile(tmp_path)
    clients, uses = McpClients(envs), profile(k=broken(env={"A": "${MINE}"}), off=broken(enabled=False))
    unset = await clients.wanted("a", uses)
    await asyncio.to_thread(envs.set, "MINE", "1")
    one = await clients.wanted("a", uses)
    await asyncio.to_thread(envs.set, "OTHER", "1")
    assert await clients.wanted("a", uses) == one
    await asyncio.to_thread(envs.set, "MINE", "2")
    assert len({unset, one, await clients.wanted("a", uses)}) == 3
    assert len(one) == 1
    assert await clients.wanted("a", profile(off=broken(enabled=False))) == ()


def test_the_mcp_package_is_not_imported_before_a_client_connects() -> None:
    code = "import sys, copaw.app._app, copaw.app.mcp.clients; sys.exit('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
