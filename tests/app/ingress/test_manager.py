"""An agent's channels as a whole: what a snapshot wants, what can be seen, and sending without a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from copaw.app.ingress.connection import ChannelState
from copaw.app.ingress.settings import IngressSettings
from copaw.errors import Conflict, NotFound, Unavailable
from copaw.testing.channel_world import ChannelWorld
from copaw.testing.memory_channel import MemoryHub

pytestmark = pytest.mark.looptime


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def other() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def world(tmp_path: Path, hub: MemoryHub, other: MemoryHub) -> AsyncIterator[ChannelWorld]:
    world = ChannelWorld(tmp_path, hub.kind(), other.kind("other"), settings=IngressSettings(send_timeout_s=10.0))
    world.configure(memory={}, other={})
    await world.start()
    yield world
    await world.aclose()
    assert hub.live == other.live == []
    assert len(asyncio.all_tasks()) == 1


def states(world: ChannelWorld) -> dict[str, ChannelState]:
    return {status.line.channel: status.line.state for status in world.ingress().status()}


async def test_a_reload_touches_only_the_channel_that_changed(
    world: ChannelWorld, hub: MemoryHub, other: MemoryHub
) -> None:
    for _ in range(10):
        await world.reconnected()
    await world.reconnected(memory={"value": 7}, other={})
    assert hub.history == ["open 0", "open 7", "close 0"]
    assert other.history == ["open 0"]


async def test_channels_come_and_go_with_the_configuration(
    world: ChannelWorld, hub: MemoryHub, other: MemoryHub
) -> None:
    await world.reconnected(memory={})
    assert (len(hub.live), len(other.live)) == (1, 0)
    await world.reconnected(memory={"enabled": False}, other={})
    assert (len(hub.live), len(other.live)) == (0, 1)
    assert states(world) == {"memory": ChannelState.OFF, "other": ChannelState.CONNECTED}


async def test_a_channel_that_hangs_holds_up_neither_reloads_nor_other_channels(
    world: ChannelWorld, hub: MemoryHub, other: MemoryHub
) -> None:
    hub.connect_s = float("inf")
    began = asyncio.get_running_loop().time()
    await world.reload(memory={"value": 1, "holds": "x"}, other={"value": 1})
    for _ in range(5):
        await world.reload()
    assert asyncio.get_running_loop().time() - began < 1
    await asyncio.sleep(1)
    assert states(world) == {"memory": ChannelState.CONNECTING, "other": ChannelState.CONNECTED}
    assert other.live[-1].value == 1


async def test_a_section_that_does_not_fit_its_channel_names_the_field(
    world: ChannelWorld, hub: MemoryHub, other: MemoryHub
) -> None:
    await world.reconnected(memory={"value": "much"}, other={"value": 2})
    error = world.ingress().status()[0].line.error or ""
    assert error.startswith("channels.memory.value: ")
    assert hub.history == ["open 0"]
    assert other.live[-1].value == 2


async def test_a_channel_that_does_not_exist_here_says_which_do(world: ChannelWorld) -> None:
    await world.reconnected(memory={}, carrier_pigeon={})
    status = world.ingress().status()[0].line
    assert (status.channel, status.state) == ("carrier_pigeon", ChannelState.UNUSABLE)
    assert "console, memory, other" in (status.error or "")


async def test_sending_goes_through_the_channel_that_is_connected(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.reconnected(memory={"bot_prefix": "> "})
    await world.ingress().send("memory", "u", "s", "hello")
    assert hub.sent == [("s", "> hello")]


async def test_what_cannot_be_sent_says_why(world: ChannelWorld, hub: MemoryHub) -> None:
    await world.reconnected(memory={})
    ingress = world.ingress()
    with pytest.raises(NotFound, match=r"Known channels: .*memory"):
        await ingress.send("carrier_pigeon", "u", "s", "hello")
    with pytest.raises(Conflict, match="not switched on"):
        await ingress.send("other", "u", "s", "hello")
    with pytest.raises(Conflict, match="not switched on"):
        await ingress.send("telegram", "u", "s", "hello")
    hub.broken_sends = 1
    with pytest.raises(Unavailable, match="the line is broken"):
        await ingress.send("memory", "u", "s", "hello")
    hub.send_s = 1000.0
    with pytest.raises(Unavailable, match="could not send"):
        await ingress.send("memory", "u", "s", "hello")
    hub.refuse = "wrong token"
    hub.live[0].crash.set_exception(ConnectionError("gone"))
    await asyncio.sleep(3)
    with pytest.raises(Unavailable, match="wrong token"):
        await ingress.send("memory", "u", "s", "hello")


async def test_the_console_is_a_channel_whose_answers_are_notices(world: ChannelWorld) -> None:
    await world.reconnected(console={})
    await world.ingress().send("console", "u", "s", "look")
    assert [notice["text"] for notice in world.push.consume("s")] == ["look"]


async def test_applying_the_same_again_and_closing_twice_is_harmless(world: ChannelWorld, hub: MemoryHub) -> None:
    ingress, current = world.ingress(), world.manager.slot("a").current
    assert current is not None
    await ingress.apply(current.snapshot)
    await world.aclose()
    await ingress.aclose()
    await ingress.apply(current.snapshot)
    await ingress.wait_settled()
    assert hub.history == ["open 0", "close 0"]


async def test_a_cancelled_close_leaves_nothing_connected_either(world: ChannelWorld, hub: MemoryHub) -> None:
    hub.close_s = 3.0
    closing = asyncio.ensure_future(world.ingress().aclose())
    await asyncio.sleep(0.5)
    closing.cancel()
    await asyncio.sleep(5)
    assert hub.live == []


async def test_an_agent_that_was_never_started_has_no_channels(world: ChannelWorld) -> None:
    with pytest.raises(Unavailable, match="not started"):
        world.ingresses.of("nobody")


async def test_what_is_posted_waits_for_its_channel_over_a_reload_and_arrives_once(
    world: ChannelWorld, hub: MemoryHub
) -> None:
    hub.refuse = "down"
    hub.live[0].crash.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0.1)
    posted = asyncio.ensure_future(world.ingress().post("memory", "u", "s", "done"))
    await world.reload(memory={"value": 3}, other={})
    assert not posted.done()
    hub.refuse = ""
    assert await posted
    await world.reconnected(memory={"value": 4}, other={})
    await asyncio.sleep(100)
    assert hub.sent == [("s", "done")]


async def test_what_is_posted_and_given_up_says_so(world: ChannelWorld, hub: MemoryHub) -> None:
    hub.broken_sends = 1000
    assert not await world.ingress().post("memory", "u", "s", "done")
    with pytest.raises(NotFound, match="no channel 'nothing'"):
        await world.ingress().post("nothing", "u", "s", "done")
    await world.reconnected(memory={"enabled": False}, other={})
    with pytest.raises(Conflict, match="not switched on"):
        await world.ingress().post("memory", "u", "s", "done")
