"""One task owns each session; calls neither harm it nor each other; a lost session comes back with patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from copaw.app.mcp.client import McpClient, running_client
from copaw.app.mcp.session import CallFailed, RemoteTool, TransportFailed
from copaw.app.mcp.settings import ClientSettings
from copaw.app.mcp.status import ClientState
from copaw.testing.fake_mcp import FakeMcp

pytestmark = pytest.mark.looptime


def settings(**fields: Any) -> ClientSettings:
    return ClientSettings(name="fake", command="fake", **fields)


@pytest.fixture
def server() -> FakeMcp:
    return FakeMcp()


@pytest.fixture
async def client(server: FakeMcp) -> AsyncIterator[McpClient]:
    async with running_client(settings(), server) as client:
        await client.wait_settled()
        yield client
    assert client.state is ClientState.CLOSED
    assert (server.opened, server.strangers) == (server.closed, 0)


async def call(client: McpClient, text: str = "hi", tool: str = "echo", **arguments: Any) -> str:
    result = await client.call(tool, {"text": text, **arguments}, lambda: None)
    return str(result.content[0]["text"])


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_calls_share_one_session(client: McpClient, server: FakeMcp) -> None:
    began = now()
    texts = [str(number) for number in range(20)]
    assert await asyncio.gather(*(call(client, text) for text in texts)) == texts
    assert now() - began == pytest.approx(1.0)
    assert (server.opened, client.state) == (1, ClientState.READY)


async def test_a_cancelled_call_is_cancelled_at_the_server_and_harms_nobody(client: McpClient, server: FakeMcp) -> None:
    other, cancelled = asyncio.create_task(call(client, "other")), asyncio.create_task(call(client, "cancelled"))
    await asyncio.sleep(0.5)
    cancelled.cancel()
    assert await other == "other"
    assert (server.cancelled, server.opened) == (["cancelled"], 1)


async def test_a_lost_session_fails_its_calls_and_is_opened_again(client: McpClient, server: FakeMcp) -> None:
    await asyncio.sleep(20)
    under_way = asyncio.create_task(call(client))
    await asyncio.sleep(0.5)
    server.lose()
    with pytest.raises(TransportFailed, match="Connection closed"):
        await under_way
    assert await call(client, "again") == "again"
    assert (server.opened, server.calls.count("hi")) == (2, 1)


async def test_only_a_repeatable_tool_is_called_again_after_a_loss(client: McpClient, server: FakeMcp) -> None:
    under_way = asyncio.create_task(call(client, "twice", tool="safe"))
    await asyncio.sleep(0.5)
    server.lose()
    assert await under_way == "twice"
    assert server.calls.count("twice") == 2


async def test_a_call_that_never_began_is_sent_on_a_new_session(client: McpClient, server: FakeMcp) -> None:
    assert server.session is not None
    server.session.never_ran = True
    server.deaf = True
    asyncio.get_running_loop().call_later(0.05, setattr, server, "deaf", False)
    assert await call(client) == "hi"
    assert (server.opened, server.calls) == (2, ["hi"])


async def test_attempts_are_spaced_by_doubling_pauses(server: FakeMcp) -> None:
    server.refuse, server.connect_s, server.last_words = "refused", 0.0, "It wrote to stderr: no key"
    async with running_client(settings(), server) as client:
        await asyncio.sleep(200)
        assert client.status().last_error == "refused It wrote to stderr: no key"
        assert client.state is ClientState.FAILED
    pauses = [round(later - sooner) for sooner, later in pairwise(server.attempts)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_session_that_dies_at_once_is_not_opened_in_a_hot_loop(server: FakeMcp) -> None:
    async with running_client(settings(), server) as client:
        await client.wait_settled()
        for pause_s in (1, 2, 4):
            server.lose()
            await asyncio.sleep(pause_s + 0.5)
            assert client.state is ClientState.READY
    pauses = [round(later - sooner) for sooner, later in pairwise(server.attempts)]
    assert pauses == [1, 2, 4]


async def test_a_call_does_not_wait_for_the_next_pause(server: FakeMcp) -> None:
    server.refuse = "refused"
    async with running_client(settings(), server) as client:
        await asyncio.sleep(100)
        server.refuse, began = "", now()
        assert await call(client) == "hi"
        assert now() - began < 2


async def test_a_call_without_a_server_fails_within_bounds(server: FakeMcp) -> None:
    server.connect_s = 1000.0
    async with running_client(settings(connect_timeout_seconds=100), server) as client:
        began = now()
        with pytest.raises(TransportFailed, match="is not connected"):
            await call(client)
        assert now() - began == pytest.approx(15.0)


async def test_a_server_that_does_not_answer_the_handshake_is_given_up(server: FakeMcp) -> None:
    server.connect_s = 1000.0
    async with running_client(settings(), server) as client:
        await client.wait_settled()
        assert now() == pytest.approx(30.0)
        assert client.status().last_error == "There was no answer within 30 s."


async def test_a_call_that_takes_too_long_fails_and_the_session_is_kept_if_the_server_lives(server: FakeMcp) -> None:
    server.call_s = 1000.0
    async with running_client(settings(call_timeout_seconds=10), server) as client:
        with pytest.raises(CallFailed, match="no answer within 10 s"):
            await call(client)
        server.call_s = 1.0
        assert await call(client) == "hi"
        assert (server.opened, server.cancelled) == (1, ["hi"])


async def test_progress_starts_the_time_of_a_call_anew(server: FakeMcp) -> None:
    server.call_s, moved = 8.0, []
    async with running_client(settings(call_timeout_seconds=10), server) as client:
        await client.call("echo", {"steps": 5}, lambda: moved.append(now()))
    assert len(moved) == 5


async def test_a_session_that_nobody_used_for_long_is_asked_for_life_first(client: McpClient, server: FakeMcp) -> None:
    assert await call(client, "first") == "first"
    await asyncio.sleep(100)
    server.deaf = True
    asyncio.get_running_loop().call_later(0.05, setattr, server, "deaf", False)
    assert await call(client) == "hi"
    assert (server.opened, server.calls) == (2, ["first", "hi"])


async def test_a_server_that_knows_no_pings_is_alive_all_the_same(client: McpClient, server: FakeMcp) -> None:
    server.last_words = "ping"
    assert await call(client, "first") == "first"
    await asyncio.sleep(100)
    assert await call(client) == "hi"
    assert server.opened == 1


async def test_an_idle_session_is_closed_and_opened_by_the_next_call(server: FakeMcp) -> None:
    async with running_client(settings(idle_timeout_seconds=60), server) as client:
        assert await call(client) == "hi"
        await asyncio.sleep(50)
        assert client.state is ClientState.READY
        await asyncio.sleep(20)
        assert (client.state, server.closed, len(client.tools)) == (ClientState.IDLE, 1, 2)
        await asyncio.sleep(1000)
        assert server.opened == 1
        assert await call(client) == "hi"
        assert server.opened == 2


async def test_a_long_call_is_not_idleness(server: FakeMcp) -> None:
    server.call_s = 300.0
    async with running_client(settings(idle_timeout_seconds=60), server) as client:
        assert await call(client) == "hi"
        assert server.opened == 1


async def test_new_tools_are_noticed(client: McpClient, server: FakeMcp) -> None:
    version = client.tools_version
    server.tools = [RemoteTool("other")]
    assert server.session is not None
    server.session.tools_changed.set()
    await asyncio.sleep(1)
    assert [tool.name for tool in client.tools] == ["other"]
    assert client.tools_version == version + 1


async def test_a_restart_opens_another_session_at_once(client: McpClient, server: FakeMcp) -> None:
    under_way = asyncio.create_task(call(client))
    await asyncio.sleep(0.5)
    client.restart()
    await client.wait_settled()
    with pytest.raises(TransportFailed):
        await under_way
    assert (client.state, server.opened) == (ClientState.READY, 2)


async def test_closing_while_connecting_leaves_nothing(server: FakeMcp) -> None:
    server.connect_s = 1000.0
    async with running_client(settings(), server) as client:
        await asyncio.sleep(1)
    assert (client.state, server.opened) == (ClientState.CLOSED, 0)
    assert now() < 2


async def test_closing_ends_the_calls_under_way(server: FakeMcp) -> None:
    server.call_s = 1000.0
    async with running_client(settings(), server) as client:
        under_way = asyncio.create_task(call(client))
        await asyncio.sleep(1)
    with pytest.raises(TransportFailed, match="ended before the answer came"):
        await under_way
    with pytest.raises(TransportFailed, match="is not connected"):
        await call(client)


async def test_a_close_that_hangs_is_cut_short(server: FakeMcp) -> None:
    server.close_s = 1000.0
    async with running_client(settings(), server) as client:
        await client.wait_settled()
    assert now() < 20


async def test_who_comes_late_does_not_wait_for_a_server_that_hangs(server: FakeMcp) -> None:
    server.connect_s = 1000.0
    async with running_client(settings(connect_timeout_seconds=20), server) as client:
        assert not await client.wait_tried(5.0)
        assert now() == pytest.approx(5.0)
        assert not await client.wait_tried(5.0)
        assert now() == pytest.approx(5.0)
        await asyncio.sleep(16)
        assert await client.wait_tried(5.0)
