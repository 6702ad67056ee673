"""Messages: once each, in order, admitted or not, answered through whatever is connected then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from copaw.app.channels.message import InboundMessage, Received
from copaw.app.ingress.inbox import FULL
from copaw.app.ingress.settings import IngressSettings
from copaw.errors import AgentDisabled, EndReason, ServerClosing
from copaw.testing.channel_world import ChannelWorld
from copaw.testing.memory_channel import MemoryHub

pytestmark = pytest.mark.looptime


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def world(tmp_path: Path, hub: MemoryHub) -> AsyncIterator[ChannelWorld]:
    settings = IngressSettings(max_queued=3, stop_timeout_s=5.0)
    world = ChannelWorld(tmp_path, hub.kind(), settings=settings)
    world.configure(memory={})
    await world.start()
    yield world
    world.gate.set()
    await world.aclose()
    assert hub.live == []
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


async def test_a_message_is_answered_and_its_address_remembered(world: ChannelWorld, hub: MemoryHub) -> None:
    assert await hub.say("1", "hello") is Received.QUEUED
    await asyncio.sleep(1)
    assert hub.sent == [("s", "echo hello")]
    assert world.dispatches == [("memory", "u", "s")]


async def test_the_same_id_is_handled_once_also_after_reloads_and_reconnects(
    world: ChannelWorld, hub: MemoryHub
) -> None:
    await hub.say("1", "hello")
    assert await hub.say("1", "hello") is Received.DUPLICATE
    await world.reconnected(memory={"value": 2})
    assert await hub.say("1", "hello") is Received.DUPLICATE
    assert await hub.say("", "no id") is Received.QUEUED
    assert await hub.say("", "no id") is Received.QUEUED
    await asyncio.sleep(1)
    assert world.handled == ["hello", "no id", "no id"]


async def test_a_session_keeps_its_order_and_another_does_not_wait_for_it(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    for number in range(3):
        await hub.say(f"a{number}", f"a{number}", session_id="a")
    await hub.say("b", "b", session_id="b")
    await asyncio.sleep(1)
    assert sorted(world.handled) == ["a0", "b"]
    world.gate.set()
    await asyncio.sleep(1)
    assert [text for session, text in hub.sent if session == "a"] == ["echo a0", "echo a1", "echo a2"]


async def test_queued_messages_survive_reloads_and_a_restart_of_the_channel(
    world: ChannelWorld, hub: MemoryHub
) -> None:
    world.gate.clear()
    for number in range(4):
        await hub.say(str(number), str(number))
        await asyncio.sleep(0.1)
    await world.reload()
    await world.reconnected(memory={"value": 2, "holds": "port:1"})
    assert world.handled == ["0"]
    world.gate.set()
    await asyncio.sleep(1)
    assert hub.texts == ["echo 0", "echo 1", "echo 2", "echo 3"]
    assert hub.history == ["open 0", "close 0", "open 2"]


async def test_a_full_queue_tells_the_sender(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    await hub.say("0", "0")
    await asyncio.sleep(0.1)
    outcomes = [await hub.say(str(number), str(number)) for number in range(1, 6)]
    assert outcomes == [Received.QUEUED] * 3 + [Received.FULL] * 2
    await asyncio.sleep(0.1)
    assert hub.texts == [FULL] * 2
    world.gate.set()
    await asyncio.sleep(1)
    assert world.handled == ["0", "1", "2", "3"]


async def test_stop_ends_the_run_it_is_about_and_the_next_message_follows(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    await hub.say("1", "long work")
    await hub.say("2", "after")
    await asyncio.sleep(1)
    assert await hub.say("3", " /STOP ") is Received.QUEUED
    await asyncio.sleep(1)
    assert hub.texts == ["Stopped by the user."]
    world.gate.set()
    await asyncio.sleep(1)
    assert hub.texts[1:] == ["echo after"]
    await hub.say("4", "/stop")
    await asyncio.sleep(1)
    assert hub.texts[2:] == ["Nothing is running here."]


async def test_a_command_waits_behind_nothing_and_changes_no_turn(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    for number in range(3):
        await hub.say(str(number), f"work {number}")
    await asyncio.sleep(1)
    for number, text in enumerate(("/compact", "/unknown", "/history")):
        await hub.say(f"c{number}", text)
    await asyncio.sleep(1)
    assert [text.partition(".")[0].partition(",")[0] for text in hub.texts] == [
        "There is nothing to summarise",
        "0 messages",
    ]
    assert world.handled == ["work 0"]
    world.gate.set()
    await asyncio.sleep(1)
    assert world.handled == ["work 0", "work 1", "work 2", "/unknown"]


async def test_a_command_comes_through_the_same_door_as_any_message(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.reconnected(memory={"dm_policy": "allowlist", "allow_from": ["friend"], "deny_message": "who?"})
    assert await hub.say("1", "/stop", user_id="stranger") is Received.DENIED
    assert await hub.say("2", "/stop", user_id="friend") is Received.QUEUED
    assert await hub.say("2", "/stop", user_id="friend") is Received.DUPLICATE
    await asyncio.sleep(1)
    assert hub.texts == ["who?", "Nothing is running here."]


async def test_a_run_that_is_ended_tells_the_sender_why(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    await hub.say("1", "work")
    await asyncio.sleep(1)
    world.manager.slot("a").tracker.active()[0].stop(EndReason.TIMEOUT)
    await asyncio.sleep(1)
    assert EndReason.TIMEOUT.sentence in hub.texts[0]


async def test_who_is_not_let_in_hears_it_and_reaches_nobody(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.reconnected(memory={"dm_policy": "allowlist", "allow_from": ["friend"], "deny_message": "who?"})
    assert await hub.say("1", "hi", user_id="stranger") is Received.DENIED
    assert await hub.say("1", "hi", user_id="stranger") is Received.DUPLICATE
    assert await hub.say("2", "hi", user_id="friend") is Received.QUEUED
    await asyncio.sleep(1)
    assert sorted(hub.texts) == ["echo hi", "who?"]


async def test_a_group_that_does_not_speak_to_the_bot_is_ignored(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.reconnected(memory={"require_mention": True})
    assert await hub.say("1", "chat", is_group=True) is Received.IGNORED
    assert await hub.say("2", "bot?", is_group=True, mentions_bot=True) is Received.QUEUED
    await asyncio.sleep(1)
    assert world.handled == ["bot?"]


async def test_an_agent_that_still_starts_is_waited_for(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.stop()
    await world.start()
    channel = hub.live[-1]
    world.fake.configure("a", build_s=30.0)
    await world.manager.stop_agent("a", EndReason.AGENT_DISABLED)
    world.manager.start_agent("a")
    assert channel in hub.live
    assert await hub.say("1", "early") is Received.QUEUED
    await asyncio.sleep(10)
    assert world.handled == []
    await asyncio.sleep(31)
    assert hub.texts == ["echo early"]


async def test_a_disabled_agent_says_so(world: ChannelWorld, hub: MemoryHub) -> None:
    # In the very moment: the channel is not disconnected yet.
    pending = asyncio.ensure_future(world.manager.stop_agent("a", EndReason.AGENT_DISABLED))
    await asyncio.sleep(0)
    assert await hub.say("1", "hello") is Received.QUEUED
    await pending
    await asyncio.sleep(1)
    assert (hub.live, hub.sent) == ([], [])
    await world.start()
    await asyncio.sleep(1)
    assert hub.texts == [AgentDisabled("a").message]


async def test_closing_tells_those_who_wait_and_takes_nothing_more(world: ChannelWorld, hub: MemoryHub) -> None:
    world.gate.clear()
    await hub.say("1", "running")
    await hub.say("2", "waiting")
    await asyncio.sleep(1)
    world.ingress().refuse_new()
    assert await hub.say("3", "late") is Received.CLOSED
    await asyncio.sleep(1)
    assert hub.texts == [ServerClosing().message]
    world.gate.set()
    await asyncio.sleep(1)
    assert hub.texts[1:] == ["echo running"]
    assert world.handled == ["running"]


async def test_a_message_that_cannot_be_a_request_is_answered_with_the_field(
    world: ChannelWorld, hub: MemoryHub
) -> None:
    await hub.live[0].receive(InboundMessage("1", "s", "u", [{"type": "poem"}]))
    await asyncio.sleep(1)
    assert "content" in hub.texts[0]
    assert world.handled == []
