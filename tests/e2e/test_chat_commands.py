"""Chat commands on a real server: over every route, during real work."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from copaw.testing.eventually import eventually
from copaw.testing.model_server import ModelServer
from copaw.testing.server import RunningServer, answer_of, message

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CONSOLE = "/console/chat"
LONG = "tokens 2000\ndelay 0.05"


def is_delta(event: dict[str, Any]) -> bool:
    return event["object"] == "content" and event.get("delta") is True


async def test_stop_ends_a_console_chat_that_streams(server: RunningServer, agent: str) -> None:
    who = {"session_id": "stops", "user_id": "u", "channel": "console"}
    async with server.stream(message(LONG, **who), path=CONSOLE, agent_id=agent) as stream:
        await stream.until(is_delta)
        began = time.monotonic()
        answered = await server.events(message("/stop", **who), path=CONSOLE, agent_id=agent)
        events = await stream.rest()
    assert time.monotonic() - began < 2
    assert answer_of(answered[-1]) == "Stopped by the user."
    assert [event["sequence_number"] for event in answered] == list(range(len(answered)))
    assert (events[-1]["status"], events[-1]["error"]["reason"]) == ("failed", "user_stop")
    assert await server.ask("say after", agent_id=agent, **who) == "after"


async def test_restart_in_a_chat_leaves_a_background_task_alone(server: RunningServer, agent: str) -> None:
    marker = server.workspace(agent) / "marker"
    script = (
        f'call execute_shell_command {{"command": "echo begun >> {marker}; sleep 3; echo ended >> {marker}"}}\nsay done'
    )
    task = await server.call("POST", "/agent/process/task", message(script, session_id="t"), agent_id=agent)
    await eventually(marker.exists, "the command has begun")
    path = server.workspace(agent) / "agent.json"
    profile = json.loads(path.read_text())
    profile["running"]["max_iters"] = 77
    path.write_text(json.dumps(profile))
    began = time.monotonic()
    answer = await server.ask("/restart", agent_id=agent, session_id="chat")
    assert time.monotonic() - began < 2.5
    # The watcher of files may have been faster; then there is nothing left to do.
    assert "generation 2 serves" in answer.lower()
    assert marker.read_text() == "begun\n"
    done = await server.call("GET", f"/tasks/{task['task_id']}/wait?timeout=15")
    assert done["state"] == "succeeded"
    assert marker.read_text() == "begun\nended\n"
    left = await server.drained(agent)
    assert [one["generation"] for one in left["generations"]] == [2]


async def test_a_turn_after_compact_uses_the_summary(server: RunningServer, agent: str, model: ModelServer) -> None:
    who = {"session_id": "compacts", "user_id": "u"}
    await server.ask("say the code is 1234", agent_id=agent, **who)
    answer = await server.ask("/compact say NOTES: the code is 1234", agent_id=agent, **who)
    assert answer.startswith("2 messages are summarised")
    asked = (await model.record())["requests"][-1]["messages"]
    assert "| assistant: the code is 1234" in json.dumps(asked[-1]["content"])
    assert await server.ask("say next", agent_id=agent, **who) == "next"
    asked = (await model.record())["requests"][-1]["messages"]
    assert {one["role"] for one in asked} == {"system", "user"}
    shown = json.dumps(asked[1:])
    assert 0 < shown.index("NOTES: the code is 1234") < shown.index("End of the notes") < shown.index("say next")


async def test_a_conversation_that_outgrows_its_window_goes_on(
    server: RunningServer, agent: str, model: ModelServer
) -> None:
    window = 6000
    await server.call("PUT", "/agent/running-config", {"max_input_length": window}, agent_id=agent)
    await server.settled(agent)
    for number in range(10):
        text = f"say answer {number}\n" + "word " * 800
        assert await server.ask(text, agent_id=agent, session_id="long") == f"answer {number}"
    asked = (await model.record())["requests"][-1]["messages"]
    assert len(json.dumps(asked, ensure_ascii=False)) < window * 4
    assert "Notes on the earlier part of this conversation" in json.dumps(asked[1]["content"])


async def test_commands_answer_over_every_route(server: RunningServer, agent: str) -> None:
    for path in ("/agent/process", CONSOLE, f"/agents/{agent}/agent/process", f"/agents/{agent}/console/chat"):
        events = await server.events(message("/status"), path=path, agent_id=agent)
        assert answer_of(events[-1]).startswith(f"Agent '{agent}': serving, generation ")
    task = await server.call("POST", "/agent/process/task", message("/version"), agent_id=agent)
    done = await server.call("GET", f"/tasks/{task['task_id']}/wait?timeout=10")
    assert done["state"] == "succeeded"
    assert "copaw." in await server.ask("/logs 50", agent_id=agent)
