"""The operations under /api/mcp, in the shapes of 1.0.2 and with what they add."""

from __future__ import annotations

import json
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
BODY = {"name": "n", "command": "no-such-command-anywhere", "env": {"KEY": "sk-0123456789abcdef"}}
ADDED = {"status", "since", "last_error", "tool_count", "calls", "sessions", "retry_in"}


async def test_the_clients_of_a_new_home_are_those_of_1_0_2(server):
    sample = json.loads((SAMPLES / "mcp.json").read_text())
    (shown,) = await server.call("GET", "/mcp")
    assert {key: shown[key] for key in sample[0]} == sample[0]
    assert set(shown) - set(sample[0]) == ADDED
    assert shown["status"] == "disabled"
    assert await server.call("GET", "/agents/default/mcp") == [shown]


async def test_a_client_is_created_changed_switched_and_deleted_each_with_a_reload(server):
    client = server.client
    response = await client.post("/api/mcp", json={"client_key": "k", "client": BODY})
    assert response.status_code == 201
    was = await server.reloaded(response)
    shown = await server.call("GET", "/mcp/k")
    assert (shown["status"], shown["env"]["KEY"][:2], "0123" in json.dumps(shown)) == ("failed", "sk", False)
    assert "'no-such-command-anywhere' was not found" in shown["last_error"]
    response = await client.put("/api/mcp/k", json={"description": "d", "command": "still-no-such-command"})
    assert await server.reloaded(response) > was
    response = await client.patch("/api/agents/default/mcp/k/toggle")
    assert response.json()["enabled"] is False
    await server.reloaded(response)
    assert (await server.call("GET", "/mcp/k"))["status"] == "disabled"
    response = await client.delete("/api/mcp/k")
    await server.reloaded(response)
    assert "deleted" in response.json()["message"]
    assert [one["key"] for one in await server.call("GET", "/mcp")] == ["tavily_search"]


async def test_errors_name_what_is_wrong(server):
    assert "tavily_search" in (await server.error("GET", "/mcp/none", status=404))["message"]
    assert (await server.error("GET", "/mcp/tavily_search/tools", status=409))["code"] == "CONFLICT"
    body = {"client_key": "tavily_search", "client": BODY}
    assert (await server.error("POST", "/mcp", body, status=409))["code"] == "CONFLICT"
    body = {"client_key": "k", "client": {"name": "n"}}
    assert (await server.error("POST", "/mcp", body, status=422))["field"] == "clients.k.command"
    await server.call("POST", "/mcp", {"client_key": "k"}, status=422)


async def test_a_restart_of_a_client_is_tried_at_once_and_shows_the_outcome(server):
    response = await server.client.post("/api/mcp", json={"client_key": "k", "client": BODY})
    await server.reloaded(response)
    shown = await server.call("POST", "/mcp/k/restart")
    assert (shown["status"], shown["sessions"]) == ("failed", 0)
    error = await server.error("GET", "/mcp/k/tools", status=503)
    assert "was not found" in error["message"]
