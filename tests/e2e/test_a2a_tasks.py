"""A2A calls that reach the task ledger of a real server."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.testing.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def rpc(server: RunningServer, agent: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    call = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer: dict[str, Any] = await server.call("POST", "/agent/a2a", call, agent_id=agent)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    return answer


async def submit(server: RunningServer, agent: str, text: str) -> dict[str, Any]:
    message = {"role": "user", "messageId": "m1", "kind": "message", "parts": [{"kind": "text", "text": text}]}
    params = {"message": message, "configuration": {"blocking": False}}
    return (await rpc(server, agent, "message/send", params))["result"]


async def test_a_message_that_does_not_wait_is_a_task_that_is_polled(server: RunningServer, agent: str) -> None:
    task = await submit(server, agent, "say done")
    assert (task["kind"], task["status"]["state"] in ("submitted", "working")) == ("task", True)
    found: dict[str, Any] = {}

    async def completed() -> bool:
        found.update((await rpc(server, agent, "tasks/get", {"id": task["id"]}))["result"])
        return bool(found["status"]["state"] == "completed")

    await wait_until(completed)
    assert found["artifacts"][0]["parts"] == [{"kind": "text", "text": "done"}]
    assert (await server.call("GET", f"/tasks/{task['id']}"))["state"] == "succeeded"


async def test_a_task_is_cancelled_once(server: RunningServer, agent: str) -> None:
    task = await submit(server, agent, "tokens 2000\ndelay 0.05")
    cancelled = await rpc(server, agent, "tasks/cancel", {"id": task["id"]})
    assert cancelled["result"]["status"]["state"] == "canceled"
    assert (await rpc(server, agent, "tasks/cancel", {"id": task["id"]}))["error"]["code"] == -32002


async def test_a_task_that_nobody_knows_is_an_error_of_the_protocol(server: RunningServer, agent: str) -> None:
    await server.http.get("/api/agent/.well-known/agent-card.json", timeout=30)
    assert (await rpc(server, agent, "tasks/get", {"id": "nothing"}))["error"]["code"] == -32001
