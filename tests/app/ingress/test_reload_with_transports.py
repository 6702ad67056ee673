"""What a reload does to real sockets, threads and polls: nothing, unless their own configuration changed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from copaw.app.channels.base import BaseChannel
from copaw.app.ingress.connection import ChannelState
from copaw.app.workspace import Workspace
from copaw.errors import EndReason
from copaw.testing.channel_world import ChannelWorld
from copaw.testing.channels import (
    ChannelLog,
    LineClient,
    LineServer,
    PollChannel,
    PortChannel,
    ThreadChannel,
    free_port,
    logged,
)
from copaw.testing.eventually import eventually
from copaw.testing.poll_server import PollServer

Make = Callable[..., ChannelWorld]
OURS = {"channel", "inbox", "outbox", "commands", "port-client", "run", "reconcile"}
"""How the names of tasks begin that channels, queues and agents start."""


@pytest.fixture
def log() -> ChannelLog:
    return ChannelLog()


@pytest.fixture
async def line_server() -> AsyncIterator[LineServer]:
    async with LineServer().listening() as server:
        yield server


@pytest.fixture
async def poll_server() -> AsyncIterator[PollServer]:
    async with PollServer().listening() as server:
        yield server


@pytest.fixture
async def make(
    tmp_path: Path, log: ChannelLog, line_server: LineServer, poll_server: PollServer
) -> AsyncIterator[Make]:
    """Makes the world of one test; afterwards nothing of it may be left."""
    worlds: list[ChannelWorld] = []

    def make(channel: type[BaseChannel], **section: Any) -> ChannelWorld:
        world = ChannelWorld(tmp_path, logged(channel, log))
        world.configure(**{channel.channel: section})
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.gate.set()
        await world.aclose(grace_s=1.0)
        assert world.fake.violations == []
    assert log.violations == []
    assert log.opened == log.closed
    assert threads() == []
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert {name.split(":")[0] for name in left} & OURS == set()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("channel-thread")]


# -- a port ----------------------------------------------------------------------------------------------------------


async def test_a_hundred_reloads_keep_the_port_and_every_message_is_handled_once_in_order(
    make: Make, log: ChannelLog
) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    await world.start()
    client = await LineClient.to(port)
    said: list[str] = []
    heard: list[str] = []

    async def talk() -> None:
        while not reloads.done():
            said.append(str(len(said)))
            client.say(said[-1], said[-1])
            client.say(said[-1], said[-1])  # transports deliver twice at times
            heard.append(await client.hear())

    async def reload_often() -> None:
        for _ in range(100):
            await world.reload()

    reloads = asyncio.ensure_future(reload_often())
    await talk()
    await reloads
    assert len(said) > 20
    assert world.handled == said
    assert heard == [f"echo {text}" for text in said]
    assert log.opened == {f"port:{port}": 1}
    current = world.manager.slot("a").current
    assert current is not None
    assert current.generation == 101
    await client.aclose()


async def test_messages_that_wait_during_reloads_follow_in_order_once(make: Make) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    ingress = await world.start()
    client = await LineClient.to(port)
    world.gate.clear()
    for number in range(50):
        client.say(str(number), str(number))
    await eventually(lambda: ingress.status()[-1].queued == 49, "49 messages wait")
    for _ in range(20):
        await world.reload()
    assert world.handled == ["0"]
    world.gate.set()
    assert [await client.hear() for _ in range(50)] == [f"echo {number}" for number in range(50)]
    assert world.handled == [str(number) for number in range(50)]
    await client.aclose()


async def test_a_changed_port_is_free_before_the_new_one_is_taken(make: Make, log: ChannelLog) -> None:
    old, new = free_port(), free_port()
    world = make(PortChannel, port=old)
    await world.start()
    before = await LineClient.to(old)
    await world.reconnected(port={"port": new})
    assert await before.hear() == ""
    assert is_free(old)
    after = await LineClient.to(new)
    after.say("1", "moved")
    assert await after.hear() == "echo moved"
    assert log.opened == {f"port:{old}": 1, f"port:{new}": 1}
    for client in (before, after):
        await client.aclose()


async def test_the_same_port_with_another_setting_has_one_holder_at_a_time(make: Make, log: ChannelLog) -> None:
    port = free_port()
    world = make(PortChannel, port=port, delay_s=0.02)
    await world.start()
    for number in range(5):
        await world.reconnected(port={"port": port, "delay_s": 0.02, "bot_prefix": f"{number} "})
    client = await LineClient.to(port)
    client.say("1", "hi")
    assert await client.hear() == "4 echo hi"
    assert log.opened == {f"port:{port}": 6}
    await client.aclose()


async def test_an_answer_that_is_ready_while_the_port_moves_reaches_the_new_connection(make: Make) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    await world.start()
    client = await LineClient.to(port)
    world.gate.clear()
    client.say("1", "slow")
    await eventually(lambda: world.handled == ["slow"], "the turn is under way")
    await world.reconnected(port={"port": port, "bot_prefix": "> "})
    again = await LineClient.to(port)
    again.say("1", "slow")  # known already: only says where the session is now
    world.gate.set()
    assert await again.hear() == "> echo slow"
    assert world.handled == ["slow"]
    for one in (client, again):
        await one.aclose()


async def test_a_crash_is_local_and_the_channel_comes_back(make: Make, log: ChannelLog) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    ingress = await world.start()
    client = await LineClient.to(port)
    client.crash()
    assert await client.hear() == ""
    await eventually(lambda: log.opened[f"port:{port}"] == 2, "it is connected again")
    await eventually(lambda: not is_free(port), "it listens again")
    again = await LineClient.to(port)
    again.say("1", "back")
    assert await again.hear() == "echo back"
    assert ingress.status()[-1].line.connects == 2
    for one in (client, again):
        await one.aclose()


async def test_a_port_that_another_program_holds_is_retried_and_the_agent_serves(make: Make) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        world = make(PortChannel, port=port)
        ingress = await world.start()
        line = ingress.status()[-1].line
        assert line.state is ChannelState.RETRYING
        assert "in use" in (line.error or "")
        assert world.manager.slot("a").state == "serving"
    await eventually(lambda: ingress.status()[-1].line.state is ChannelState.CONNECTED, "it took the port")


async def test_a_disabled_agent_closes_its_port_and_opens_it_again(make: Make) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    await world.start()
    client = await LineClient.to(port)
    await world.stop()
    assert is_free(port)
    assert await client.hear() == ""
    await world.start()
    assert not is_free(port)
    await world.stop(reason=EndReason.AGENT_DELETED)
    assert is_free(port)
    await client.aclose()


async def test_two_agents_with_one_port_hold_it_one_after_the_other(make: Make, log: ChannelLog) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    world.configure("b", port={"port": port})
    await world.start("a")
    ingress = await world.start("b")
    assert ingress.status()[-1].line.state is ChannelState.WAITING
    await world.stop("a")
    await eventually(lambda: ingress.status()[-1].line.state is ChannelState.CONNECTED, "the other took the port")
    assert log.opened == {f"port:{port}": 2}


async def test_a_message_in_the_very_tick_of_the_swap_is_handled_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    ingress = await world.start()
    channel = ingress._line("port").channel
    assert channel is not None
    client = await LineClient.to(port)
    slot = world.manager.slot("a")
    swap = slot._swap
    due: list[str] = []

    def message(when: str, generation: int) -> None:
        due.append(f"{when}{generation}")
        client.say(due[-1], due[-1])

    def swap_among_messages(revision: int, candidate: Workspace, changed: list[str]) -> None:
        message("before", candidate.generation)
        asyncio.get_running_loop().call_soon(message, "in", candidate.generation)
        swap(revision, candidate, changed)
        message("after", candidate.generation)

    monkeypatch.setattr(slot, "_swap", swap_among_messages)
    for _ in range(20):
        await world.reload()
    answers = [await client.hear() for _ in range(60)]
    assert world.handled == due
    assert answers == [f"echo {text}" for text in due]
    await client.aclose()


async def test_the_end_of_the_server_leaves_nothing(make: Make) -> None:
    port = free_port()
    world = make(PortChannel, port=port)
    await world.start()
    client = await LineClient.to(port)
    client.say("1", "hi")
    assert await client.hear() == "echo hi"
    before = {task.get_name() for task in asyncio.all_tasks()}
    assert "channel:a:port" in before
    await world.aclose()
    assert is_free(port)
    assert await client.hear() == ""
    await client.aclose()


# -- a thread --------------------------------------------------------------------------------------------------------


async def test_a_thread_lives_through_reloads_and_is_joined_when_its_channel_changes(
    make: Make, line_server: LineServer
) -> None:
    world = make(ThreadChannel, port=line_server.port)
    await world.start()
    first = next(thread for thread in threading.enumerate() if thread.name in threads())
    peer = await line_server.client()
    for number in range(20):
        peer.say(str(number), str(number))
        await world.reload()
    assert [await peer.hear() for _ in range(20)] == [f"echo {number}" for number in range(20)]
    assert (line_server.connects, len(threads())) == (1, 1)
    await world.reconnected(thread={"port": line_server.port, "bot_prefix": "> "})
    assert (line_server.connects, len(threads())) == (2, 1)
    assert not first.is_alive()
    await peer.hear()
    again = await line_server.client()
    again.say("20", "new")
    assert await again.hear() == "> echo new"
    await world.stop()
    assert threads() == []


async def test_what_a_thread_received_before_it_was_joined_is_handled_once(
    make: Make, line_server: LineServer, log: ChannelLog
) -> None:
    world = make(ThreadChannel, port=line_server.port)
    await world.start()
    for round_ in range(10):
        peer = await line_server.client()
        for number in range(10):
            peer.say(f"{round_}-{number}", f"{round_}-{number}")
        await eventually(lambda r=round_: len(world.handled) >= r * 10 + 5, "the thread is at work")
        await world.reconnected(thread={"port": line_server.port, "bot_prefix": f"{round_} "})
        await eventually(lambda: world.ingress().status()[-1].queued == 0, "nothing waits")
    assert len(log.received) >= 50
    assert world.handled == log.received


async def test_a_server_that_hangs_up_ends_the_thread_and_the_channel_comes_back(
    make: Make, line_server: LineServer
) -> None:
    world = make(ThreadChannel, port=line_server.port)
    await world.start()
    await (await line_server.client()).aclose()
    again = await line_server.client()
    again.say("1", "hi")
    assert await again.hear() == "echo hi"
    assert len(threads()) == 1


# -- a long poll -----------------------------------------------------------------------------------------------------


async def test_a_poll_in_flight_goes_on_over_reloads(make: Make, poll_server: PollServer, log: ChannelLog) -> None:
    world = make(PollChannel, url=poll_server.url)
    await world.start()
    await poll_server.polling.wait()
    for _ in range(10):
        await world.reload()
    assert poll_server.polls == 1
    await poll_server.say("1", "hi")
    assert await poll_server.sent.get() == "echo hi"
    assert (poll_server.most_pollers, log.opened["token:token"]) == (1, 1)


async def test_updates_around_a_restart_of_the_poll_are_handled_once_and_confirmed(
    make: Make, poll_server: PollServer, log: ChannelLog
) -> None:
    world = make(PollChannel, url=poll_server.url)
    await world.start()
    await poll_server.polling.wait()
    for number in range(30):
        await poll_server.say(str(number), str(number))
        if number % 3 == 0:
            await world.reconnected(poll={"url": poll_server.url, "bot_prefix": f"{number} "})
    answers = [await poll_server.sent.get() for _ in range(30)]
    assert [answer.split()[-1] for answer in answers] == [str(number) for number in range(30)]
    assert world.handled == [str(number) for number in range(30)]
    await eventually(lambda: poll_server.unconfirmed() == [], "every update is confirmed")
    assert poll_server.most_pollers == 1
    assert log.opened["token:token"] == 11


async def test_an_update_that_comes_while_the_agent_is_disabled_waits_at_the_server(
    make: Make, poll_server: PollServer
) -> None:
    world = make(PollChannel, url=poll_server.url)
    await world.start()
    await world.stop()
    await poll_server.say("1", "hi")
    assert world.handled == []
    await world.start()
    assert await poll_server.sent.get() == "echo hi"
