"""Sessions with real servers over every transport, and what becomes of a call when the server goes away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from copaw.app.mcp.client import McpClient, running_client
from copaw.app.mcp.connect import Connector
from copaw.app.mcp.session import CallFailed, TransportFailed
from copaw.app.mcp.settings import resolved
from copaw.app.mcp.status import ClientState
from copaw.config.models import MCPClientConfig
from copaw.ports import Json
from copaw.testing.mcp_servers import HttpMcpServer, http_config, running_http_server, stdio_config

pytestmark = pytest.mark.e2e

TRANSPORTS = ["stdio", "streamable_http", "sse"]


@asynccontextmanager
async def connected(config: Json) -> AsyncIterator[McpClient]:
    settings = resolved("test", MCPClientConfig.model_validate(config), {})
    async with running_client(settings, Connector(settings)) as client:
        async with asyncio.timeout(20):
            await client.wait_settled()
        yield client


@asynccontextmanager
async def over(transport: str, *options: str) -> AsyncIterator[tuple[McpClient, HttpMcpServer | None]]:
    async with AsyncExitStack() as stack:
        if transport == "stdio":
            yield await stack.enter_async_context(connected(stdio_config(*options))), None
            return
        kind = "http" if transport == "streamable_http" else "sse"
        server = await stack.enter_async_context(running_http_server(*options, transport=kind))
        config = http_config(server.url, transport=transport)
        yield await stack.enter_async_context(connected(config)), server


async def text(client: McpClient, tool: str, **arguments: object) -> str:
    result = await client.call(tool, arguments, lambda: None)
    return str(result.content[0]["text"])


async def begun(record: Path, line: str) -> None:
    async with asyncio.timeout(10):
        while line not in await asyncio.to_thread(_content, record):  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.01)


def _content(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tools_are_listed_and_called(transport: str) -> None:
    async with over(transport) as (client, _):
        assert client.state is ClientState.READY, client.status()
        assert {"echo", "slow", "image"} <= {tool.name for tool in client.tools}
        assert [tool.name for tool in client.tools if tool.repeatable] == ["safe_slow"]
        texts = [str(number) for number in range(30)]
        assert await asyncio.gather(*(text(client, "echo", text=one) for one in texts)) == texts
        failed = await client.call("fail", {"reason": "no reason"}, lambda: None)
        assert failed.is_error
        assert "no reason" in failed.content[0]["text"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_arguments_that_do_not_fit_and_unknown_tools_are_errors_of_the_call_alone(transport: str) -> None:
    async with over(transport) as (client, _):
        assert (await client.call("echo", {}, lambda: None)).is_error
        assert (await client.call("no such tool", {}, lambda: None)).is_error
        assert await text(client, "echo", text="fine") == "fine"
        assert client.status().sessions == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cancelled_call_is_cancelled_at_the_server(transport: str, tmp_path: Path) -> None:
    record = tmp_path / "record"
    async with over(transport, "--record", str(record)) as (client, _):
        call = asyncio.create_task(text(client, "slow", seconds=60, text="one"))
        await begun(record, "begin one")
        call.cancel()
        await begun(record, "cancelled one")
        assert await text(client, "echo", text="fine") == "fine"
        assert client.status().sessions == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_whose_server_dies_fails_at_once(transport: str, tmp_path: Path) -> None:
    record = tmp_path / "record"
    async with over(transport, "--record", str(record)) as (client, server):
        call = asyncio.create_task(text(client, "slow", seconds=60, text="one"))
        await begun(record, "begin one")
        if server is None:
            os.kill(int(await text(client, "pid")), 9)
        else:
            await server.kill()
        async with asyncio.timeout(5):
            with pytest.raises(TransportFailed):
                await call
        assert record.read_text().count("begin one") == 1


@pytest.mark.parametrize("transport", ["streamable_http", "sse"])
async def test_a_server_that_came_back_on_its_port_is_used_again(transport: str) -> None:
    async with over(transport) as (client, server):
        assert server is not None
        await server.kill()
        kind = "http" if transport == "streamable_http" else "sse"
        async with running_http_server(port=server.port, transport=kind):
            assert await text(client, "echo", text="again") == "again"


async def test_an_address_without_an_mcp_server_is_named() -> None:
    async with running_http_server() as server:
        async with connected(http_config(server.url + "/wrong")) as client:
            assert client.status().last_error == f"There is no MCP server at {server.url}/wrong (HTTP 404)."
        async with connected(http_config("http://127.0.0.1:9/mcp")) as client:
            assert "ConnectError" in (client.status().last_error or "")


async def test_a_server_that_ends_at_once_is_quoted() -> None:
    config = {"name": "n", "command": "sh", "args": ["-c", "echo no key given >&2; exit 3"]}
    async with connected(config) as client:
        assert client.state is ClientState.FAILED
        assert "It wrote to stderr: no key given" in (client.status().last_error or "")


async def test_a_server_process_does_not_see_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPAW_AUTH_PASSWORD", "secret")
    async with connected(stdio_config(env={"GIVEN": "yes"})) as client:
        assert await text(client, "environment", name="GIVEN") == "yes"
        assert await text(client, "environment", name="COPAW_AUTH_PASSWORD") == "(not set)"
        assert await text(client, "environment", name="PATH") == os.environ["PATH"]


async def test_a_server_that_ignores_its_end_is_killed_with_what_it_started() -> None:
    script = "trap '' TERM HUP; setsid sleep 600 & echo $! >&2; while :; do sleep 0.1; done"
    config = {"name": "n", "command": "sh", "args": ["-c", script], "connect_timeout_seconds": 1}
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with connected(config) as client:
        assert client.state is ClientState.FAILED
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    assert not left


async def test_a_refusal_of_one_request_leaves_the_others_alone() -> None:
    """A gateway in front of the server that answers one request with 502."""
    async with running_http_server() as server:
        refused: list[str] = []

        relays: set[asyncio.Task[None]] = set()

        def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Kept, because the loop alone keeps no task, and waited for below.
            relays.add(asyncio.create_task(_relay(reader, writer, server.port, refused)))

        gateway = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with gateway:
            url = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}/mcp"
            async with connected(http_config(url)) as client:
                other = asyncio.create_task(text(client, "slow", seconds=1, text="other"))
                await asyncio.sleep(0.05)
                with pytest.raises(CallFailed, match="HTTP 502"):
                    await text(client, "echo", text="refuse-me")
                assert await other == "other"
                assert client.status().sessions == 1
        assert len(refused) == 1
        _, pending = await asyncio.wait(relays, timeout=5)
        for task in pending:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, refused: list[str]) -> None:
    """One connection for one request: the whole answer is the server's, or a refusal."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if b"content-length" in line.lower()]
        length = int(lengths[0]) if lengths else 0
        body = await reader.readexactly(length)
        if b"refuse-me" in body:
            refused.append("one")
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy")
            return
        upstream, downstream = await asyncio.open_connection("127.0.0.1", port)
        downstream.write(head.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") + body)
        try:
            while chunk := await upstream.read(65536):
                writer.write(chunk)
                await writer.drain()
        finally:
            downstream.close()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
