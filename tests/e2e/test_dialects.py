"""A2A, OpenAI Responses and AG-UI: the further dialects end in the same runs, which hold leases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from copaw.testing.server import RunningServer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SLOW = "tokens 12\ndelay 0.05"
ANSWER = "tok " * 12


@pytest_asyncio.fixture(loop_scope="session")
async def patient(server: RunningServer) -> AsyncIterator[RunningServer]:
    """The server with its dialects loaded: the first request to one of them pays for that."""
    await server.http.get("/api/agent/.well-known/agent-card.json", timeout=30)
    yield server


def a2a(text: str, method: str = "message/send") -> dict[str, Any]:
    message = {"role": "user", "messageId": "m1", "kind": "message", "parts": [{"kind": "text", "text": text}]}
    return {"jsonrpc": "2.0", "id": "1", "method": method, "params": {"message": message}}


def agui(text: str) -> dict[str, Any]:
    return {
        "threadId": "thread",
        "runId": "run",
        "state": {},
        "messages": [{"id": "m1", "role": "user", "content": text}],
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


def texts(document: Any, key: str = "text") -> list[str]:
    """Every text anywhere in a document."""
    if isinstance(document, dict):
        own = [document[key]] if isinstance(document.get(key), str) else []
        return own + [text for value in document.values() for text in texts(value, key)]
    if isinstance(document, list):
        return [text for value in document for text in texts(value, key)]
    return []


def frames(text: str) -> list[dict[str, Any]]:
    """The data of each frame."""
    lines = [line for frame in text.split("\n\n") for line in frame.split("\n") if line.startswith("data:")]
    return [json.loads(line[5:]) for line in lines if line[5:].strip() != "[DONE]"]


async def while_leased(server: RunningServer, agent: str, request: Any) -> Any:
    """The answer to a request that held a lease of its agent while it ran."""
    running = asyncio.create_task(request)
    try:
        held = await server.wait_lifecycle(
            lambda found: any(one["leases"] for one in found["generations"]), agent, within_s=10
        )
    except AssertionError:
        running.cancel()
        raise
    assert not running.done()
    assert held["generations"][0]["leases"][0]["kind"] == "stream"
    answer = await running
    await server.drained(agent)
    return answer


async def test_the_agent_card_says_where_and_what(patient: RunningServer) -> None:
    for name in ("agent-card.json", "agent.json"):
        response = await patient.http.get(f"/api/agent/.well-known/{name}")
        assert response.status_code == 200, (name, response.text)
        card = response.json()
        assert card["name"] == "copaw"
        assert card["url"].endswith("/a2a")


async def test_a2a_answers_a_message(patient: RunningServer, agent: str) -> None:
    answer = await while_leased(patient, agent, patient.call("POST", "/agent/a2a", a2a(SLOW), agent_id=agent))
    assert answer["jsonrpc"] == "2.0"
    assert "error" not in answer
    assert ANSWER.strip() in " ".join(texts(answer["result"])).replace("  ", " ")


async def test_responses_answer_as_one_document(patient: RunningServer, agent: str) -> None:
    body = {"model": "any", "input": SLOW, "stream": False}
    answer = await while_leased(
        patient, agent, patient.call("POST", "/agent/compatible-mode/v1/responses", body, agent_id=agent)
    )
    assert (answer["object"], answer["status"]) == ("response", "completed")
    assert ANSWER in texts(answer)


async def test_responses_stream(patient: RunningServer, agent: str) -> None:
    body = {"model": "any", "input": SLOW, "stream": True}
    response = await while_leased(
        patient, agent, patient.send("POST", "/agent/compatible-mode/v1/responses", body, agent_id=agent)
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    events = frames(response.text)
    deltas = [event["delta"] for event in events if event.get("type") == "response.output_text.delta"]
    assert "".join(deltas) == ANSWER
    assert events[-1]["type"] == "response.completed"


async def test_ag_ui_streams(patient: RunningServer, agent: str) -> None:
    response = await while_leased(patient, agent, patient.send("POST", "/agent/ag-ui", agui(SLOW), agent_id=agent))
    assert response.headers["content-type"].startswith("text/event-stream")
    events = frames(response.text)
    assert events[0]["type"] == "RUN_STARTED"
    assert "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT") == ANSWER
    assert events[-1]["type"] == "RUN_FINISHED"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_to_what_is_no_message_fails_and_says_so(
    patient: RunningServer, agent: str, stream: bool
) -> None:
    body = {"input": [{"type": "item_reference", "id": "x"}], "stream": stream}
    answer = await patient.http.post(f"/api/agents/{agent}/agent/compatible-mode/v1/responses", json=body)
    assert '"failed"' in answer.text, answer.text
    if stream:
        assert "Field 'input'" in answer.text


async def test_an_unknown_agent_is_404_in_every_dialect(patient: RunningServer) -> None:
    for path, body in (
        ("/agent/a2a", a2a("say no")),
        ("/agent/compatible-mode/v1/responses", {"input": "say no"}),
        ("/agent/ag-ui", agui("say no")),
    ):
        assert "nobody" in (await patient.call("POST", path, body, agent_id="nobody", status=404))["detail"]


async def test_a_run_of_a_dialect_goes_through_a_reload(patient: RunningServer, agent: str) -> None:
    request = patient.send("POST", "/agent/ag-ui", agui("tokens 40\ndelay 0.05"), agent_id=agent)
    running = asyncio.create_task(request)
    await patient.wait_lifecycle(lambda found: any(one["leases"] for one in found["generations"]), agent)
    await patient.call("PUT", "/agent/running-config", {"max_iters": 12}, agent_id=agent)
    assert await patient.settled(agent) == 2
    events = frames((await running).text)
    assert "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT") == "tok " * 40
    await patient.drained(agent)
