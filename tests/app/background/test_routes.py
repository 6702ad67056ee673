"""The task routes: what they answer, and what they refuse with which status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from copaw.app._app import app
from copaw.app.background.submission import MAX_BODY_BYTES
from copaw.config.home import make_home
from copaw.paths import Paths

TASK = "/api/agent/process/task"


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "home.secret"))
    monkeypatch.setenv("COPAW_SHUTDOWN_GRACE_SECONDS", "0.01")
    monkeypatch.setenv("COPAW_TOOL_GUARD_ENABLED", "false")
    make_home(Paths.from_environment(), language="en")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://copaw"))
        await app.state.services.ready.wait()
        yield client


def body(text: str = "say hello", **fields: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "text", "text": text}]}], "session_id": "s", **fields}


SLOW = "call execute_shell_command " + json.dumps({"command": "sleep 60"})


async def submit(client: httpx.AsyncClient, text: str = "say hello", **fields: Any) -> str:
    response = await client.post(TASK, json=body(text, **fields))
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


async def ended(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    response = await client.get(f"/api/tasks/{task_id}/wait", params={"timeout": 20})
    assert response.json()["ended_at"] is not None
    return response.json()


async def test_a_submission_answers_as_1_0_2_did_and_how_it_was_understood(client: httpx.AsyncClient) -> None:
    answer = (await client.post(TASK, json=body(timeout_seconds="77", on_interrupt="resume"))).json()
    assert {"task_id", "status", "queue", "message"} < set(answer)
    assert (answer["status"], answer["queue"]) == ("submitted", "stream_query")
    assert (answer["timeout_seconds"], answer["on_interrupt"]) == (77.0, "resume")
    assert (await client.post(TASK, json=body())).json()["timeout_seconds"] == 3600.0


async def test_the_status_of_1_0_2_tells_running_as_running(client: httpx.AsyncClient) -> None:
    running = await submit(client, SLOW)
    waiting = await submit(client)
    live = app.state.services.tasks.live(running)
    await live.settled.wait()
    await live.run.more(3)
    first = (await client.get(f"{TASK}/{running}")).json()
    second = (await client.get(f"{TASK}/{waiting}")).json()
    assert (first["status"], first["result"], second["status"], second["result"]) == ("running", None, "pending", None)
    await client.post(f"/api/tasks/{running}/cancel")
    await ended(client, waiting)
    done = (await client.get(f"{TASK}/{waiting}")).json()
    assert (done["status"], done["result"]["status"]) == ("finished", "completed")
    cut = (await client.get(f"{TASK}/{running}")).json()
    assert (cut["status"], cut["result"]["error"]["reason"]) == ("finished", "user_stop")
    assert (await client.get(f"{TASK}/none")).json() == {"error": "Task none not found"}


async def test_events_are_the_same_from_the_ledger_and_resume_anywhere(client: httpx.AsyncClient) -> None:
    task_id = await submit(client, "tokens 5")
    await ended(client, task_id)
    whole = (await client.get(f"/api/tasks/{task_id}/events")).text
    numbers = [int(line[4:]) for line in whole.split("\n") if line.startswith("id: ")]
    assert numbers == list(range(len(numbers)))
    assert '"status":"completed"' in whole.rstrip().rpartition("\n\n")[2]
    rest = (await client.get(f"/api/tasks/{task_id}/events", params={"starting_after": 3})).text
    assert whole.endswith(rest)
    assert rest.startswith("id: 4\n")
    again = await client.get(
        f"/api/tasks/{task_id}/events", params={"starting_after": 0}, headers={"Last-Event-ID": "3"}
    )
    assert again.text == rest


async def test_a_task_can_be_found_retried_and_forgotten(client: httpx.AsyncClient) -> None:
    task_id = await submit(client)
    task = await ended(client, task_id)
    assert (task["state"], task["generation"], task["result"]["status"]) == ("succeeded", 1, "completed")
    page = (await client.get("/api/tasks", params={"state": "succeeded", "agent_id": "default"})).json()
    assert [found["id"] for found in page["tasks"]] == [task_id]
    assert "result" not in page["tasks"][0]
    retried = await client.post(f"/api/tasks/{task_id}/retry")
    assert (retried.status_code, retried.json()["retry_of"], retried.json()["attempt"]) == (201, task_id, 2)
    await ended(client, retried.json()["id"])
    assert (await client.delete(f"/api/tasks/{task_id}")).json() == {"deleted": True}
    assert (await client.get(f"/api/tasks/{task_id}")).status_code == 404


async def test_a_cancel_ends_the_processes_of_its_tool_and_is_harmless_again(client: httpx.AsyncClient) -> None:
    task_id = await submit(client, SLOW)
    for _ in range(2):
        assert (await client.post(f"/api/tasks/{task_id}/cancel")).status_code == 202
    task = await ended(client, task_id)
    assert (task["state"], task["end_reason"]) == ("cancelled", "user_stop")
    assert (await client.post(f"/api/tasks/{task_id}/cancel")).json()["state"] == "cancelled"


async def test_a_key_makes_one_task_of_many_submissions(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "key"}
    ids = {(await client.post(TASK, json=body(), headers=headers)).json()["task_id"] for _ in range(3)}
    assert len(ids) == 1
    assert (await client.post(TASK, json=body("say else"), headers=headers)).status_code == 409


BAD = [
    ({"timeout_seconds": "soon"}, "timeout_seconds"),
    ({"timeout_seconds": 0}, "timeout_seconds"),
    ({"timeout_seconds": -1}, "timeout_seconds"),
    ({"timeout_seconds": True}, "timeout_seconds"),
    ({"timeout_seconds": "nan"}, "timeout_seconds"),
    ({"timeout_seconds": []}, "timeout_seconds"),
    ({"timeout": "1e400"}, "timeout"),
    ({"on_interrupt": "later"}, "on_interrupt"),
    ({"on_interrupt": {}}, "on_interrupt"),
    ({"on_busy": 1}, "on_busy"),
    ({"callback_url": "ftp://x"}, "callback_url"),
    ({"callback_url": 7}, "callback_url"),
    ({"callback_url": "http://"}, "callback_url"),
    ({"callback_url": "http://[x"}, "callback_url"),
    ({"session_id": "a\0b"}, "session_id"),
    ({"session_id": "x" * 2000}, "session_id"),
    ({"input": []}, "input"),
    ({"input": "text"}, "input"),
]


@pytest.mark.parametrize(("fields", "field"), BAD, ids=lambda value: str(value)[:40])
async def test_bad_input_names_its_field(client: httpx.AsyncClient, fields: dict[str, Any], field: str) -> None:
    response = await client.post(TASK, json=body(**fields))
    assert response.status_code == 422
    assert response.json()["error"]["field"] == field
    assert (await client.get("/api/tasks")).json()["tasks"] == []


async def test_what_is_refused_and_how(client: httpx.AsyncClient) -> None:
    assert (await client.post(TASK, content=b"{")).status_code == 422
    assert (await client.post(TASK, content=b'{"input": NaN}')).status_code == 422
    assert (await client.post(TASK, json=[])).status_code == 422
    assert (await client.post(TASK, content=b" " * (MAX_BODY_BYTES + 1))).status_code == 413
    assert (await client.post(TASK, json=body(), headers={"X-Agent-Id": "nobody"})).status_code == 404
    assert (await client.post(TASK, json=body(), headers={"Idempotency-Key": " "})).status_code == 422
    for method, path in (("GET", ""), ("GET", "/wait"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        assert (await client.request(method, f"/api/tasks/none{path}")).status_code == 404, path
    assert (await client.delete("/api/tasks/none")).status_code == 404
    for query in ("limit=0", "limit=x", "limit=501", "state=lost", "cursor=x"):
        assert (await client.get(f"/api/tasks?{query}")).status_code == 422, query
    running = await submit(client, SLOW)
    for query in ("wait?timeout=x", "wait?timeout=-1", "wait?timeout=nan", "events?starting_after=-2"):
        assert (await client.get(f"/api/tasks/{running}/{query}")).status_code == 422, query
    headers = {"Last-Event-ID": "x"}
    assert (await client.get(f"/api/tasks/{running}/events", headers=headers)).status_code == 422
    assert (await client.post(f"/api/tasks/{running}/retry")).status_code == 409
    assert (await client.delete(f"/api/tasks/{running}")).status_code == 409
    assert (await client.post(TASK, json=body(on_busy="reject"))).status_code == 409
    await client.post(f"/api/tasks/{running}/cancel")
    await ended(client, running)
    assert (await client.patch("/api/agents/default/toggle", json={"enabled": False})).status_code in (200, 400)
