"""Answers wait for their channel, in order, and neither for ever nor without bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from copaw.app.channels.message import Target
from copaw.app.ingress.outbox import Outbox
from copaw.app.ingress.render import notice
from copaw.app.ingress.settings import IngressSettings
from copaw.testing.channel_world import ChannelWorld
from copaw.testing.memory_channel import MemoryHub

pytestmark = pytest.mark.looptime


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def world(tmp_path: Path, hub: MemoryHub) -> AsyncIterator[ChannelWorld]:
    settings = IngressSettings(max_undelivered=5, undelivered_s=100.0, send_timeout_s=10.0)
    world = ChannelWorld(tmp_path, hub.kind(), settings=settings)
    world.configure(memory={})
    await world.start()
    yield world
    await world.aclose()
    assert len(asyncio.all_tasks()) == 1


def outbox(world: ChannelWorld) -> Outbox:
    return world.ingress()._outbox


def put(world: ChannelWorld, *texts: str, session_id: str = "s") -> None:
    for text in texts:
        outbox(world).put("memory", Target("u", session_id), notice(text))


async def test_answers_wait_while_the_channel_is_away_and_leave_in_order(world: ChannelWorld, hub: MemoryHub) -> None:
    hub.refuse = "down"
    hub.live[0].crash.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0.1)
    put(world, "1", "2", "3")
    await asyncio.sleep(20)
    assert (hub.sent, world.ingress().status()[-1].unsent) == ([], 2)
    hub.refuse = ""
    await asyncio.sleep(40)
    assert hub.texts == ["1", "2", "3"]


async def test_answers_are_not_kept_for_ever(
    world: ChannelWorld, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.refuse = "down"
    hub.live[0].crash.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0.1)
    put(world, "1", "2")
    await asyncio.sleep(101)
    assert outbox(world).undelivered == 2
    assert "was not sent: its channel did not come back in time" in caplog.text


async def test_a_send_that_fails_is_repeated_a_few_times(world: ChannelWorld, hub: MemoryHub) -> None:
    hub.broken_sends = 2
    put(world, "1", "2")
    await asyncio.sleep(10)
    assert hub.texts == ["1", "2"]
    hub.broken_sends = 3
    put(world, "3", "4")
    await asyncio.sleep(10)
    assert hub.texts == ["1", "2", "4"]
    assert outbox(world).undelivered == 1


async def test_a_send_that_hangs_does_not_hold_up_another_session(world: ChannelWorld, hub: MemoryHub) -> None:
    hub.send_s = 1000.0
    put(world, "stuck")
    await asyncio.sleep(1)
    hub.send_s = 0.0
    put(world, "free", session_id="other")
    await asyncio.sleep(1)
    assert hub.sent == [("other", "free")]
    await asyncio.sleep(20)
    assert ("s", "stuck") in hub.sent


async def test_too_many_are_dropped_and_said_so(
    world: ChannelWorld, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.send_s = 1.0
    put(world, "0")
    await asyncio.sleep(0.1)
    put(world, *"123456789")
    assert outbox(world).undelivered == 4
    assert "too many answers wait already" in caplog.text
    await asyncio.sleep(20)
    assert hub.texts == list("012345")


async def test_what_waits_for_a_channel_that_was_switched_off_is_reported(
    world: ChannelWorld, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.send_s = 5.0
    put(world, "1", "2", "3")
    await asyncio.sleep(0.1)
    await world.reconnected(console={"enabled": False})
    assert outbox(world).undelivered == 2
    assert "the channel was switched off" in caplog.text
