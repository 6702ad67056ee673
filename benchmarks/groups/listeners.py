"""Many who listen to one run, and some who do not read what they are sent."""

from __future__ import annotations

import asyncio
import json
import statistics
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.bench import Bench
from benchmarks.client import Connection, Failed, Target, call, chat, chat_body, connect, head
from benchmarks.processes import memory_mb

_LISTENERS = 100
_TOKENS = 1000
_CONSOLE = "/api/console/chat"


async def run(bench: Bench) -> None:
    target = await bench.copaw()
    quiet: list[float] = []
    beside: list[float] = []
    for _ in range(bench.scale.rounds):
        quiet += await _first_events_ms(target, bench.scale.requests)
        # It waits for a second after each of its chunks: nothing for the listeners to hear for a while.
        async with _run(target, "delay 1\ntokens 500") as (session_id, _), _listeners(target, session_id):
            beside += await _first_events_ms(target, bench.scale.requests)
        quiet += await _first_events_ms(target, bench.scale.requests)
    bench.add("listeners.first_event", target, statistics.median(beside) / statistics.median(quiet))
    if target.pid is not None:
        bench.add("listeners.memory", target, await _unread_mb(target, target.pid))


async def _first_events_ms(target: Target, requests: int) -> list[float]:
    return [(await chat(target, "say hi")).first_event_ms for _ in range(requests)]


async def _unread_mb(target: Target, pid: int) -> float:
    """Memory for each of them, while a long answer is given that nobody of them reads."""
    async with _run(target, f"delay 0.001\ntokens {_TOKENS}") as (session_id, run):
        before = memory_mb(pid)
        async with _listeners(target, session_id, deaf=True):
            await run.closed
            return max(0.0, (memory_mb(pid) - before) / _LISTENERS)


@asynccontextmanager
async def _run(target: Target, text: str) -> AsyncIterator[tuple[str, Connection]]:
    """A run that goes on during the body, and is stopped then."""
    session_id = f"bench-{uuid.uuid4().hex[:12]}"
    connection, exchange = await connect(target, head(target, "POST", _CONSOLE, chat_body(text, session_id)))
    while not exchange.text_at:
        if connection.closed.done():
            raise Failed(f"{target.name}: {bytes(exchange.data[:600])!r}")
        await asyncio.sleep(0.01)
    try:
        yield session_id, connection
    finally:
        chats = await call(target, "GET", "/api/chats?user_id=bench")
        chat_id = next(chat["id"] for chat in chats if chat["session_id"] == session_id)
        await call(target, "POST", f"{_CONSOLE}/stop?chat_id={chat_id}")
        await connection.closed


@asynccontextmanager
async def _listeners(target: Target, session_id: str, *, deaf: bool = False) -> AsyncIterator[None]:
    body = {"reconnect": True, "session_id": session_id, "user_id": "bench", "channel": "console"}
    request = head(target, "POST", _CONSOLE, json.dumps(body).encode())
    opened: list[Connection] = []
    try:
        for _ in range(_LISTENERS):
            connection, _exchange = await connect(target, request)
            opened.append(connection)
            if deaf:
                connection.transport.pause_reading()
        await asyncio.sleep(0.2)
        yield
    finally:
        for connection in opened:
            connection.transport.abort()
        await asyncio.gather(*(connection.closed for connection in opened))
