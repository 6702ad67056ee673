"""One channel over changes of its configuration: kept, moved, retried, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.channels.base import BaseChannel, ChannelContext
from copaw.app.channels.message import InboundMessage, Received
from copaw.app.ingress.connection import ChannelState
from copaw.app.ingress.line import Line
from copaw.app.ingress.settings import IngressSettings
from copaw.app.ingress.wanted import ChannelSpec, Unusable
from copaw.paths import WorkspacePaths
from copaw.testing.memory_channel import MemoryConfig, MemoryHub

pytestmark = pytest.mark.looptime


@dataclass
class Bench:
    hub: MemoryHub = field(default_factory=MemoryHub)
    resources: KeyedLocks = field(default_factory=KeyedLocks)
    lines: list[Line] = field(default_factory=list)

    def line(self) -> Line:
        line = Line("a", "memory", _make, self.resources, IngressSettings())
        self.lines.append(line)
        return line

    def spec(self, value: int, holds: str = "") -> ChannelSpec:
        config = MemoryConfig(value=value, holds=holds)
        kind = self.hub.kind()
        exclusive = kind.exclusive_resources(config)
        return ChannelSpec("memory", f"{value}{holds}", kind, config, exclusive, WorkspacePaths(Path()))


def _make(spec: ChannelSpec) -> BaseChannel:
    async def handle(_message: InboundMessage) -> Received:
        return Received.QUEUED

    return spec.cls(spec.config, ChannelContext("a", handle, lambda _session, _text: None, Path()))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.hub.close_s = 0.0
    for line in bench.lines:
        await line.aclose()
    assert bench.hub.live == []
    assert len(bench.resources) == 0
    assert len(asyncio.all_tasks()) == 1


async def test_the_same_configuration_is_not_touched(bench: Bench) -> None:
    line = bench.line()
    for _ in range(100):
        line.want(bench.spec(1))
        await line.wait_settled()
    assert bench.hub.history == ["open 1"]
    assert line.status().state is ChannelState.CONNECTED


async def test_a_shared_transport_is_connected_anew_before_the_old_one_goes(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1))
    await line.wait_settled()
    bench.hub.connect_s = 5.0
    line.want(bench.spec(2))
    await asyncio.sleep(4)
    assert line.up.is_set()
    await line.wait_settled()
    assert bench.hub.history == ["open 1", "open 2", "close 1"]
    assert line.channel is bench.hub.live[0]


async def test_what_serves_serves_on_until_a_successor_does_however_often_the_wish_changes(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(0))
    await line.wait_settled()
    bench.hub.connect_s = 5.0
    for value in (1, 1, 2, 2, 3, 3, 3):
        line.want(bench.spec(value))
        await asyncio.sleep(2)
        assert line.channel is bench.hub.live[0]
    await line.wait_settled()
    assert bench.hub.history == ["open 0", "open 3", "close 0"]
    assert bench.hub.made == 4
    assert line.status().connects == 1


async def test_an_exclusive_one_goes_before_its_successor_comes(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1, "port:1"))
    await line.wait_settled()
    bench.hub.close_s = 3.0
    line.want(bench.spec(2, "port:2"))
    await line.wait_settled()
    assert bench.hub.history == ["open 1", "close 1", "open 2"]
    assert bench.hub.most_live == 1


async def test_of_many_changes_at_once_only_the_last_is_brought_about(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(0, "port:1"))
    await line.wait_settled()
    bench.hub.close_s = 1.0
    for value in range(1, 50):
        line.want(bench.spec(value, "port:1"))
        await asyncio.sleep(0.01)
    await line.wait_settled()
    assert bench.hub.history == ["open 0", "close 0", "open 49"]


async def test_a_change_and_back_while_it_disconnects_ends_with_it_connected(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1, "port:1"))
    await line.wait_settled()
    bench.hub.close_s = 1.0
    line.want(None)
    await asyncio.sleep(0.5)
    line.want(bench.spec(1, "port:1"))
    await line.wait_settled()
    assert bench.hub.history == ["open 1", "close 1", "open 1"]
    assert line.channel is not None


async def test_two_lines_that_want_the_same_thing_hold_it_one_after_the_other(bench: Bench) -> None:
    first, second = bench.line(), bench.line()
    first.want(bench.spec(1, "port:1"))
    await first.wait_settled()
    second.want(bench.spec(2, "port:1"))
    await second.wait_settled()
    assert second.status().state is ChannelState.WAITING
    assert "port:1" in (second.status().error or "")
    first.want(None)
    await asyncio.sleep(1)
    assert second.status().state is ChannelState.CONNECTED
    assert bench.hub.most_live == 1


async def test_a_refused_start_is_tried_again_with_growing_pauses(bench: Bench) -> None:
    line = bench.line()
    bench.hub.refuse = "wrong token"
    line.want(bench.spec(1))
    await line.wait_settled()
    assert line.status().state is ChannelState.RETRYING
    assert "wrong token" in (line.status().error or "")
    await asyncio.sleep(1000)
    assert 15 < bench.hub.made < 25
    bench.hub.refuse = ""
    await asyncio.sleep(61)
    assert (line.status().state, line.status().error) == (ChannelState.CONNECTED, None)


async def test_a_start_that_hangs_is_ended_and_tried_again(bench: Bench) -> None:
    line = bench.line()
    bench.hub.connect_s = float("inf")
    line.want(bench.spec(1, "port:1"))
    await line.wait_settled()
    assert asyncio.get_running_loop().time() == pytest.approx(60, abs=1)
    assert "60 s" in (line.status().error or "")
    bench.hub.connect_s = 0.0
    await asyncio.sleep(2)
    assert line.status().state is ChannelState.CONNECTED
    await asyncio.sleep(1000)
    assert bench.hub.made == 2


async def test_a_lost_connection_is_made_anew_at_once_again_after_a_good_while(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1))
    await line.wait_settled()
    for _ in range(10):
        await asyncio.sleep(100)
        bench.hub.live[0].crash.set_exception(ConnectionError("gone"))
        await asyncio.sleep(0.5)
        assert (line.status().state, line.channel) == (ChannelState.RETRYING, None)
        assert not line.up.is_set()
        await asyncio.sleep(0.6)
        assert line.up.is_set()
    assert line.status().connects == 11


async def test_a_channel_that_returns_or_cancels_itself_is_made_anew(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1))
    await line.wait_settled()
    bench.hub.live[0].crash.cancel()
    await asyncio.sleep(0.5)
    assert "from within" in (line.status().error or "")
    await asyncio.sleep(1)
    assert line.status().state is ChannelState.CONNECTED


async def test_one_that_does_not_end_is_reported_and_its_successor_waits(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    line = bench.line()
    line.want(bench.spec(1, "port:1"))
    await line.wait_settled()
    bench.hub.stubborn = True
    line.want(bench.spec(2, "port:1"))
    await line.wait_settled()
    assert "channel:a:memory did not disconnect within 10 s" in caplog.text
    assert line.status().state is ChannelState.WAITING
    bench.hub.stubborn = False
    bench.hub.live[0].crash.set_exception(ConnectionError("at last"))
    await asyncio.sleep(1)
    assert bench.hub.history == ["open 1", "close 1", "open 2"]
    assert line.status().state is ChannelState.CONNECTED


async def test_a_faulty_configuration_leaves_the_channel_as_it_was_and_says_why(bench: Bench) -> None:
    line = bench.line()
    line.want(bench.spec(1))
    await line.wait_settled()
    line.want(Unusable("memory", "x", "value: not a number"))
    await line.wait_settled()
    assert (line.status().state, line.status().error) == (ChannelState.CONNECTED, "value: not a number")
    line.want(bench.spec(1))
    await line.wait_settled()
    assert line.status().error is None
    assert bench.hub.history == ["open 1"]


async def test_one_that_never_was_usable_is_off_and_says_why(bench: Bench) -> None:
    line = bench.line()
    line.want(Unusable("memory", "x", "no such channel"))
    await line.wait_settled()
    assert (line.status().state, line.status().error) == (ChannelState.UNUSABLE, "no such channel")
    assert len(asyncio.all_tasks()) == 1
    line.want(None)
    await line.wait_settled()
    assert (line.status().state, line.status().error) == (ChannelState.OFF, None)
