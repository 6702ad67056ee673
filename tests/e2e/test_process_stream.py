"""``/api/agent/process``: every event, field by field; which agent it is for; what is refused and how."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import pytest

from copaw.testing.server import RunningServer, answer_of, message

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

EVENT = {"sequence_number", "object", "status", "error"}
RESPONSE = EVENT | {"id", "created_at", "completed_at", "output", "usage", "session_id"}
MESSAGE = EVENT | {"id", "type", "role", "content", "code", "message", "usage", "metadata"}
TEXT = EVENT | {"type", "index", "delta", "msg_id", "text"}
DATA = EVENT | {"type", "index", "delta", "msg_id", "data"}
WHOAMI = 'call execute_shell_command {"command": "echo $COPAW_AGENT_ID"}\nsay {1}'


def shape(event: dict[str, Any]) -> tuple[Any, ...]:
    """What kind of event it is, in the order of the protocol."""
    if event["object"] == "content":
        return ("content", event["type"], event["status"], event["delta"])
    return (event["object"], event.get("type"), event["status"])


def fields_are_exact(events: list[dict[str, Any]]) -> None:
    for number, event in enumerate(events):
        kind = event["type"] if event["object"] == "content" else event["object"]
        assert set(event) == {"response": RESPONSE, "message": MESSAGE, "text": TEXT, "data": DATA}[kind], event
        assert event["sequence_number"] == number


async def test_a_plain_answer_is_told_in_the_order_of_the_protocol(server: RunningServer) -> None:
    began = int(time.time())
    session_id = str(uuid.uuid4())
    events = await server.events(message("say one two three", session_id=session_id))
    fields_are_exact(events)
    assert [shape(event) for event in events] == [
        ("response", None, "created"),
        ("response", None, "in_progress"),
        ("message", "message", "in_progress"),
        ("content", "text", "in_progress", True),
        ("content", "text", "in_progress", True),
        ("content", "text", "in_progress", True),
        ("content", "text", "completed", False),
        ("message", "message", "completed"),
        ("response", None, "completed"),
    ]
    assert [event["text"] for event in events[3:7]] == ["one ", "two ", "three", "one two three"]
    assert {event["msg_id"] for event in events[3:7]} == {events[2]["id"]} == {events[7]["id"]}
    assert {event["index"] for event in events[3:7]} == {0}
    assert events[2]["id"].startswith("msg_")
    assert (events[2]["role"], events[2]["content"]) == ("assistant", None)
    assert [{**one, "sequence_number": 6} for one in events[7]["content"]] == [events[6]]
    first, last = events[0], events[-1]
    assert all(event["error"] is None for event in events)
    assert {event["id"] for event in events if event["object"] == "response"} == {first["id"]}
    assert first["id"].startswith("response_")
    assert {event["session_id"] for event in events if event["object"] == "response"} == {session_id}
    assert began <= first["created_at"] == last["created_at"] <= last["completed_at"] <= int(time.time())
    assert (first["completed_at"], first["output"]) == (None, None)
    assert [{**one, "sequence_number": 7} for one in last["output"]] == [events[7]]
    assert last["usage"]["output_tokens"] > 0


async def test_the_frames_are_those_of_an_event_stream_that_ends_by_closing(server: RunningServer) -> None:
    response = await server.send("POST", "/agent/process", message("say one two"))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("\n\n")
    assert "[DONE]" not in response.text
    for number, frame in enumerate(response.text.removesuffix("\n\n").split("\n\n")):
        first, second = frame.split("\n")
        assert first == f"id: {number}"
        assert json.loads(second.removeprefix("data: "))["sequence_number"] == number


async def test_thinking_tool_calls_and_results_are_messages_of_their_own(server: RunningServer) -> None:
    arguments = {"command": "echo hi"}
    script = f"think first this\ncall execute_shell_command {json.dumps(arguments)}\nsay got {{1}}"
    events = await server.events(message(script))
    fields_are_exact(events)
    output = events[-1]["output"]
    assert [(one["type"], one["role"]) for one in output] == [
        ("reasoning", "assistant"),
        ("plugin_call", "assistant"),
        ("plugin_call_output", "tool"),
        ("reasoning", "assistant"),
        ("message", "assistant"),
    ]
    assert output[0]["content"][0]["text"].strip() == "first this"
    call, result = output[1]["content"][0], output[2]["content"][0]
    assert (call["type"], call["delta"]) == ("data", False)
    assert set(call["data"]) == {"call_id", "name", "arguments"}
    assert json.loads(call["data"]["arguments"]) == arguments
    assert set(result["data"]) == {"call_id", "name", "output"}
    assert json.loads(result["data"]["output"]) == [{"type": "text", "text": "hi"}]
    assert (result["data"]["call_id"], result["data"]["name"]) == (call["data"]["call_id"], "execute_shell_command")
    assert answer_of(events[-1]) == "got hi"
    growing = [
        event["data"]["arguments"]
        for event in events
        if event["object"] == "content" and event["type"] == "data" and "arguments" in event["data"]
    ]
    assert json.loads(growing[-1]) == arguments
    assert growing == sorted(growing, key=len)
    told = [shape(event)[:3] for event in events]
    assert told.index(("message", "plugin_call", "completed")) < told.index(
        ("message", "plugin_call_output", "in_progress")
    )


async def test_a_run_whose_model_fails_ends_as_failed(server: RunningServer) -> None:
    events = await server.events(message("fail 400"))
    fields_are_exact(events)
    assert [shape(event) for event in events] == [
        ("response", None, "created"),
        ("response", None, "in_progress"),
        ("response", None, "failed"),
    ]
    assert set(events[-1]["error"]) == {"code", "message"}
    assert events[-1]["error"]["code"] == "MODEL_EXECUTION_FAILED"
    assert "400" in events[-1]["error"]["message"]


async def test_the_session_and_the_user_default_to_a_new_id(server: RunningServer, agent: str) -> None:
    events = await server.events(message("say hello"), agent_id=agent)
    session_id = events[-1]["session_id"]
    assert str(uuid.UUID(session_id)) == session_id
    (chat,) = await server.call("GET", "/chats", agent_id=agent)
    assert (chat["session_id"], chat["user_id"]) == (session_id, session_id)


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "input"), ({"input": []}, "input"), ({"input": [{"role": "king", "content": []}]}, "role"), ([], "body")],
    ids=["no input", "empty input", "no such role", "no object"],
)
@pytest.mark.parametrize("path", ["/agent/process", "/console/chat"])
async def test_a_bad_body_is_told_inside_the_stream(server: RunningServer, path: str, body: Any, field: str) -> None:
    response = await server.send("POST", path, body)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.startswith("data: ")
    (frame,) = response.text.removesuffix("\n\n").split("\n\n")
    error = json.loads(frame.removeprefix("data: "))
    assert set(error) == {"error"}
    assert field in error["error"]


async def test_a_body_that_is_no_json_is_told_inside_the_stream(server: RunningServer) -> None:
    response = await server.http.post("/api/agent/process", content=b"{no json")
    assert response.status_code == 200
    assert "JSON" in json.loads(response.text.removeprefix("data: "))["error"]


async def test_a_busy_session_is_told_inside_the_stream_and_works_on(server: RunningServer, agent: str) -> None:
    who = {"session_id": "busy", "user_id": "u"}
    async with server.stream(message("tokens 20\ndelay 0.05", **who), agent_id=agent) as stream:
        await stream.until(lambda event: event.get("delta") is True)
        (refused,) = await server.events(message("say me too", **who), agent_id=agent)
        assert set(refused) == {"error"}
        assert "busy" in refused["error"]
        assert answer_of((await stream.rest())[-1]) == "tok " * 20
    assert await server.ask("say now", agent_id=agent, **who) == "now"


async def test_two_sessions_run_side_by_side(server: RunningServer, agent: str) -> None:
    answers = await asyncio.gather(
        *(server.ask(f"say number {number}\ndelay 0.02", agent_id=agent) for number in range(8))
    )
    assert answers == [f"number {number}" for number in range(8)]


async def test_a_request_is_for_the_agent_of_its_path_then_of_its_header_then_the_active_one(
    server: RunningServer, agent: str
) -> None:
    path = f"/agents/{agent}/agent/process"
    assert answer_of((await server.events(message(WHOAMI), path=path))[-1]) == agent
    assert answer_of((await server.events(message(WHOAMI), path=path, agent_id="default"))[-1]) == agent
    assert await server.ask(WHOAMI, agent_id=agent) == agent
    assert await server.ask(WHOAMI) == "default"
    console = f"/agents/{agent}/console/chat"
    assert answer_of((await server.events(message(WHOAMI), path=console))[-1]) == agent
    assert len(await server.call("GET", f"/agents/{agent}/chats")) == 4


ROUTES = [
    ("POST", "/agent/process", message("say no")),
    ("POST", "/agent/process/task", message("say no")),
    ("POST", "/console/chat", message("say no")),
    ("GET", "/chats", None),
    ("GET", "/agent/running-config", None),
    ("PUT", "/agent/running-config", {"max_iters": 5}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_an_unknown_agent_is_404(server: RunningServer, method: str, path: str, body: Any) -> None:
    for answer in (
        await server.call(method, path, body, agent_id="nobody", status=404),
        await server.call(method, f"/agents/nobody{path}", body, status=404),
    ):
        assert "nobody" in answer["detail"]


async def test_a_disabled_agent_is_403_until_it_is_enabled_again(server: RunningServer, agent: str) -> None:
    await server.call("PATCH", f"/agents/{agent}/toggle", {"enabled": False})
    for method, path, body in ROUTES:
        answer = await server.call(method, path, body, agent_id=agent, status=403)
        assert agent in answer["detail"]
    assert (await server.lifecycle(agent))["state"] == "disabled"
    await server.call("PATCH", f"/agents/{agent}/toggle", {"enabled": True})
    assert await server.ask("say back", agent_id=agent) == "back"


async def test_disabling_and_deleting_end_runs_and_say_why(server: RunningServer) -> None:
    for reason, (method, path, body) in {
        "agent_disabled": ("PATCH", "/toggle", {"enabled": False}),
        "agent_deleted": ("DELETE", "", None),
    }.items():
        agent = (await server.call("POST", "/agents", {"name": "Leaves"}, status=201))["id"]
        await server.settled(agent)
        async with server.stream(message("tokens 500\ndelay 0.05"), agent_id=agent) as stream:
            await stream.until(lambda event: event.get("delta") is True)
            await server.call(method, f"/agents/{agent}{path}", body)
            assert (await stream.rest())[-1]["error"]["reason"] == reason
        await server.send("DELETE", f"/agents/{agent}")


async def test_health_and_the_map_of_the_protocol_are_those_of_1_0_2(server: RunningServer) -> None:
    health = {"status": "healthy", "mode": "daemon_thread", "runner": "ready"}
    assert await server.call("GET", "/agent/health") == health
    root = await server.call("GET", "/agent/")
    assert root["endpoints"]["task_status"] == "/process/task/{task_id}"
    status = await server.call("GET", "/agent/admin/status")
    assert status["pid"] == server.pid
