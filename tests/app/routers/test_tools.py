"""``/api/tools``: what the agent has, switched on and off, each change with a reload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "contract" / "samples" / "tools.json"


async def tools(server: Any, scope: str = "") -> dict[str, Any]:
    return {tool["name"]: tool for tool in await server.call("GET", f"{scope}/tools")}


async def test_the_list_has_the_tools_of_1_0_2_in_their_order_and_says_which_are_here(server: Any) -> None:
    sample = json.loads(SAMPLE.read_text())
    listed = await server.call("GET", "/tools")
    assert [tool["name"] for tool in listed[: len(sample)]] == [tool["name"] for tool in sample]
    for ours, theirs in zip(listed, sample, strict=False):
        assert theirs.keys() <= ours.keys()
        assert (ours["icon"], ours["enabled"], ours["async_execution"]) == (theirs["icon"], True, False)
        assert ours["description"]
    here = {tool["name"] for tool in listed if tool["available"]}
    assert {"execute_shell_command", "submit_to_agent"} <= here
    assert "browser_use" not in here


async def test_a_tool_is_switched_off_and_on_with_a_reload_each_time(server: Any) -> None:
    for enabled in (False, True):
        response = await server.client.patch("/api/tools/read_file/toggle")
        assert response.json()["enabled"] is enabled
        await server.reloaded(response)
        assert (await tools(server))["read_file"]["enabled"] is enabled
        assert server.agent_json()["tools"]["builtin_tools"]["read_file"]["enabled"] is enabled
    response = await server.client.patch("/api/tools/chat_with_agent/toggle")
    assert response.json()["enabled"] is False
    assert (await tools(server, "/agents/default"))["chat_with_agent"]["enabled"] is False


async def test_a_tool_runs_in_the_background_or_not(server: Any) -> None:
    for value in (True, False):
        response = await server.client.patch(
            "/api/agents/default/tools/execute_shell_command/async-execution", json={"async_execution": value}
        )
        assert response.json()["async_execution"] is value
        await server.reloaded(response)
        assert (await tools(server))["execute_shell_command"]["async_execution"] is value


async def test_what_cannot_be_done_is_said(server: Any) -> None:
    on = {"async_execution": True}
    assert (
        "Known tools: execute_shell_command" in (await server.error("PATCH", "/tools/no/toggle", status=404))["message"]
    )
    await server.error("PATCH", "/tools/no/async-execution", on, status=404)
    await server.error("PATCH", "/tools/browser_use/toggle", status=501)
    await server.error("PATCH", "/tools/browser_use/async-execution", on, status=501)
    await server.error("PATCH", "/tools/chat_with_agent/async-execution", on, status=409)
    await server.call("PATCH", "/tools/read_file/async-execution", {}, status=422)
    await server.call("PATCH", "/tools/read_file/async-execution", {"async_execution": "perhaps"}, status=422)
    await server.call("PATCH", "/agents/nobody/tools/read_file/toggle", status=404)
    assert server.generation() == 1
