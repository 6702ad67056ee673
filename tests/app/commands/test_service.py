"""A command is a run that every client shows, waits behind nothing, and leaves no trace in the conversation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from copaw.errors import AgentDisabled
from copaw.testing.home import request


def shape(payload: dict[str, Any]) -> tuple[Any, ...]:
    return (payload["object"], payload.get("type"), payload["status"])


async def test_the_events_are_those_of_a_plain_answer(talk):
    run = await talk.start("/version")
    payloads = [event.payload async for event in run.follow()]
    assert [shape(payload) for payload in payloads] == [
        ("response", None, "created"),
        ("response", None, "in_progress"),
        ("message", "message", "in_progress"),
        ("content", "text", "in_progress"),
        ("content", "text", "completed"),
        ("message", "message", "completed"),
        ("response", None, "completed"),
    ]
    assert payloads[-2]["metadata"] is None
    assert payloads[-2]["role"] == "assistant"
    assert payloads[-1]["output"] == [{k: v for k, v in payloads[-2].items() if k != "sequence_number"}]


async def test_it_makes_no_chat_and_no_session(talk):
    await talk.say("/help")
    assert (await talk.services.chats.of("default")).select() == []
    assert not (talk.workspace / "sessions").exists() or not [*(talk.workspace / "sessions").iterdir()]


async def test_it_holds_a_lease_of_its_own_kind_and_lets_go(talk):
    run = await talk.start("/status")
    assert (run.lease.kind, run.lease.key, run.lease.labels["session_id"]) == ("command", "/status", "s")
    await run.wait_end()
    await asyncio.sleep(0)
    assert len(talk.services.manager.slot("default").current.leases) == 0


async def test_it_is_answered_while_a_run_of_its_session_is_under_way(talk):
    run = await talk.running()
    for text in ("/status", "/history", "/model", "/version", "/help", "/logs 1", "/daemon"):
        assert await talk.say(text)
    assert not run.status.terminal
    await talk.end(run)


async def test_what_is_no_command_goes_to_the_agent(talk):
    assert "You said: /frobnicate now" in await talk.say("/frobnicate now")
    assert "You said: /clear the table" in await talk.say("/clear the table")
    assert len(talk.said()) == 4


async def test_a_command_of_the_assistant_or_with_a_file_is_none(talk):
    body = {"input": [{"role": "assistant", "content": [{"type": "text", "text": "/stop"}]}]}
    assert talk.services.commands.match(type(request("x")).model_validate(body)) is None


async def test_a_failure_is_told_as_one(talk):
    response = await talk.response("/logs many")
    assert response["status"] == "failed"
    assert response["error"]["code"] == "BAD_INPUT"
    assert "from 1 to" in response["error"]["message"]


async def test_an_agent_that_is_disabled_answers_no_command(talk):
    await talk.services.manager.start_agent("default")
    await talk.services.manager.stop_agent("default", "agent_disabled")
    with pytest.raises(AgentDisabled):
        await talk.start("/status")


@pytest.mark.parametrize("kind", ["stream", "console", "channel", "cron", "task"])
async def test_every_way_in_is_alike(talk, kind):
    assert (await talk.say("/version", kind=kind)).startswith("copaw ")
