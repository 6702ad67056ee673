"""Every POST is answered in JSON-RPC, whatever the server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from copaw.app.mcp.http import CONNECTION_LOST, NEVER_RAN, AnsweringClient

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}
NOTE = {"jsonrpc": "2.0", "method": "notifications/cancelled"}


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[str]:
    """A server that answers each connection with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


async def post(url: str, body: Any, failures: list[str]) -> tuple[int, str]:
    async with (
        AnsweringClient({"x-own": "1"}, url, lambda: failures.append("failed")) as client,
        client.stream("POST", url, json=body) as response,
    ):
        return response.status_code, (await response.aread()).decode()


def error_in(text: str) -> dict[str, Any]:
    document = json.loads(text.rpartition("data: ")[2] if "data: " in text else text)
    assert (document["jsonrpc"], document["id"]) == ("2.0", 7)
    return document["error"]


async def test_an_answer_passes_unchanged() -> None:
    failures: list[str] = []
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    async with answering(head) as url:
        assert await post(url, CALL, failures) == (200, "{}")
    assert not failures


async def test_a_refused_connection_means_that_the_call_never_ran() -> None:
    failures: list[str] = []
    status, text = await post("http://127.0.0.1:9/mcp", CALL, failures)
    assert (status, error_in(text)["code"], failures) == (200, NEVER_RAN, ["failed"])


async def test_an_answer_that_breaks_off_is_lost() -> None:
    failures: list[str] = []
    async with answering(b"HTTP/1.1 200 OK\r\n") as url:
        _, text = await post(url, CALL, failures)
    assert (error_in(text)["code"], failures) == (CONNECTION_LOST, ["failed"])


@pytest.mark.parametrize("events", [b"", b": ping\n\n", b'event: message\ndata: {"half'])
@pytest.mark.parametrize("framing", ["close", "chunked"])
async def test_events_that_end_without_an_answer_end_in_an_error(events: bytes, framing: str) -> None:
    failures: list[str] = []
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    if framing == "chunked":
        chunk = b"%x\r\n%b\r\n" % (len(events), events) if events else b""
        raw = head + b"transfer-encoding: chunked\r\n\r\n" + chunk
    else:
        raw = head + b"connection: close\r\n\r\n" + events
    async with answering(raw) as url:
        _, text = await post(url, CALL, failures)
    assert (error_in(text)["code"], failures) == (CONNECTION_LOST, ["failed"])


async def test_a_status_of_failure_is_quoted() -> None:
    failures: list[str] = []
    async with answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nlater") as url:
        status, text = await post(url, CALL, failures)
    assert (status, error_in(text)["message"]) == (200, "The server answered HTTP 503 Busy. later")


async def test_an_unknown_session_is_told_as_it_is() -> None:
    async with answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n") as url:
        assert (await post(url, CALL, []))[0] == httpx.codes.NOT_FOUND


async def test_a_notification_that_is_lost_is_nobodys_answer() -> None:
    failures: list[str] = []
    assert await post("http://127.0.0.1:9/mcp", NOTE, failures) == (202, "")
    assert failures == ["failed"]
