"""A console chat outlives a reload of its agent, and the loss of its viewer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from copaw.testing.server import EventStream, RunningServer, answer_of, message

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CONSOLE = "/console/chat"
TOKENS = 50
SLOW = f"tokens {TOKENS}\ndelay 0.04"


def is_delta(event: dict[str, Any]) -> bool:
    return event["object"] == "content" and event.get("delta") is True


def text_of_deltas(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if is_delta(event))


async def reload(server: RunningServer, agent: str) -> int:
    """Really change the agent, and wait for the new generation."""
    running = await server.call("GET", "/agent/running-config", agent_id=agent)
    changed = {**running, "max_iters": running["max_iters"] + 1}
    await server.call("PUT", "/agent/running-config", changed, agent_id=agent)
    return await server.settled(agent)


async def only_chat(server: RunningServer, agent: str) -> dict[str, Any]:
    (chat,) = await server.call("GET", "/chats", agent_id=agent)
    return chat


async def holders(server: RunningServer, agent: str) -> list[tuple[int, str, list[str]]]:
    generations = (await server.lifecycle(agent))["generations"]
    return [(one["generation"], one["state"], [lease["kind"] for lease in one["leases"]]) for one in generations]


async def reconnected(server: RunningServer, agent: str, **fields: Any) -> list[dict[str, Any]]:
    return await server.events({"reconnect": True, **fields}, path=CONSOLE, agent_id=agent)


async def test_a_reload_loses_nothing_of_a_chat_that_streams(server: RunningServer, agent: str) -> None:
    who = {"session_id": "streams", "user_id": "u", "channel": "console"}
    async with server.stream(message(SLOW, **who), path=CONSOLE, agent_id=agent) as stream:
        await stream.until(is_delta)
        assert await reload(server, agent) == 2
        assert await holders(server, agent) == [(1, "draining", ["console"]), (2, "serving", [])]
        assert (await only_chat(server, agent))["status"] == "running"
        second = asyncio.create_task(reconnected(server, agent, **who))
        events = await stream.rest()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert text_of_deltas(events) == "tok " * TOKENS
    assert answer_of(events[-1]) == "tok " * TOKENS
    assert await second == events
    left = await server.drained(agent)
    assert [(one["generation"], one["state"]) for one in left["generations"]] == [(2, "serving")]


async def test_reconnecting_replays_from_the_beginning_and_goes_on_live(server: RunningServer, agent: str) -> None:
    who = {"session_id": "replays", "user_id": "u", "channel": "console"}
    async with server.stream(message(SLOW, **who), path=CONSOLE, agent_id=agent) as stream:
        await stream.until(is_delta)
        await reload(server, agent)
        missed = len(stream.seen)
        async with server.stream({"reconnect": True, **who}, path=CONSOLE, agent_id=agent) as late:
            await late.until(is_delta)
            assert late.seen == stream.seen[: len(late.seen)]
            assert missed >= len(late.seen)
            assert (await late.rest())[-1]["status"] == "completed"
        assert await stream.rest() == late.seen
    idle = await server.send("POST", CONSOLE, {"reconnect": True, **who}, agent_id=agent)
    assert (idle.status_code, idle.json()) == (200, None)
    assert idle.headers["content-type"] == "application/json"
    assert (await only_chat(server, agent))["status"] == "idle"


async def test_reconnecting_to_a_chat_that_never_was_answers_null(server: RunningServer, agent: str) -> None:
    body = {"reconnect": True, "session_id": "never", "user_id": "u"}
    assert await server.call("POST", CONSOLE, body, agent_id=agent) is None


async def test_stop_ends_a_run_of_the_old_generation(server: RunningServer, agent: str) -> None:
    who = {"session_id": "stopped", "user_id": "u", "channel": "console"}
    async with server.stream(message("tokens 500\ndelay 0.05", **who), path=CONSOLE, agent_id=agent) as stream:
        await stream.until(is_delta)
        await reload(server, agent)
        chat = await only_chat(server, agent)
        stop = f"/console/chat/stop?chat_id={chat['id']}"
        assert await server.call("POST", stop, agent_id=agent) == {"stopped": True}
        events = await stream.rest()
        assert await server.call("POST", stop, agent_id=agent) == {"stopped": False}
    last = events[-1]
    assert (last["object"], last["status"], last["error"]["reason"]) == ("response", "failed", "user_stop")
    assert [event["status"] for event in events if event["object"] == "response"][2:] == ["failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    await server.drained(agent)
    history = await server.call("GET", f"/chats/{chat['id']}", agent_id=agent)
    assert history["status"] == "idle"
    assert "Stopped by the user." in json.dumps(history["messages"][-1])
    assert text_of_deltas(events) in history["messages"][-1]["content"][0]["text"]


async def hang_up_after_the_first_words(stream: EventStream) -> int:
    await stream.until(is_delta)
    return len(stream.seen)


async def test_losing_the_viewer_does_not_end_the_run(server: RunningServer, agent: str) -> None:
    who = {"session_id": "left", "user_id": "u", "channel": "console"}
    async with server.stream(message(SLOW, **who), path=CONSOLE, agent_id=agent) as stream:
        seen = await hang_up_after_the_first_words(stream)
    assert await holders(server, agent) == [(1, "serving", ["console"])]
    assert (await only_chat(server, agent))["status"] == "running"
    await reload(server, agent)
    events = await reconnected(server, agent, **who)
    assert len(events) > seen
    assert answer_of(events[-1]) == "tok " * TOKENS
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    chat = await only_chat(server, agent)
    history = await server.call("GET", f"/chats/{chat['id']}", agent_id=agent)
    assert [part["type"] for part in history["messages"]] == ["message", "message"]
    assert history["messages"][-1]["content"][0]["text"] == "tok " * TOKENS
