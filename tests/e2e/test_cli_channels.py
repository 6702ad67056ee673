"""``copaw channels`` and ``copaw env`` against a real server: what they change is in force."""

from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.testing.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def line(server: RunningServer, agent: str, key: str) -> dict[str, Any]:
    done = await server.cli("channels", "list", "--json", "--agent-id", agent)
    assert done.returncode == 0, done
    return {row["channel"]: row for row in json.loads(done.stdout)}.get(key, {})


async def test_a_custom_channel_is_added_used_and_removed_while_the_server_runs(
    server: RunningServer, agent: str
) -> None:
    added = await server.cli("channels", "add", "begun", "--no-configure", "--agent-id", agent)
    assert added.returncode == 0, added

    async def connected() -> bool:
        return (await line(server, agent, "begun"))["state"] == "connected"

    await wait_until(connected)
    words = ["--channel", "begun", "--target-user", "u", "--target-session", "s", "--text", "hello"]
    sent = await server.cli("channels", "send", "--agent-id", agent, *words)
    assert json.loads(sent.stdout)["success"] is True, sent
    removed = await server.cli("channels", "remove", "begun")
    assert removed.returncode == 0, removed
    await server.settled(agent)
    assert await line(server, agent, "begun") == {}
    refused = await server.cli("channels", "send", "--agent-id", agent, *words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert list((server.working_dir / "custom_channels").glob("*.py")) == []


async def test_a_variable_reaches_the_next_shell_command(server: RunningServer, agent: str) -> None:
    assert (await server.cli("env", "set", "OF_A_TEST", "it is there")).returncode == 0
    await server.settled(agent)
    command = json.dumps({"command": "echo $OF_A_TEST"})
    assert "it is there" in await server.ask(f"call execute_shell_command {command}\nsay {{1}}", agent_id=agent)
    assert (await server.cli("env", "delete", "OF_A_TEST")).returncode == 0
    assert "OF_A_TEST" not in (await server.cli("env", "list")).stdout
