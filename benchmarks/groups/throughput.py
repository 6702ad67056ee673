"""Chats of 50 tokens, ten at once."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench
from benchmarks.client import Target, chat
from benchmarks.processes import processor_s

AT_ONCE = 10
_TEXT = "tokens 50"


async def run(bench: Bench) -> None:
    for _ in range(bench.scale.rounds):
        for target in await bench.targets():
            await _round(bench, target, bench.scale.chats)


async def _round(bench: Bench, target: Target, chats: int) -> None:
    used_s = processor_s(target.pid) if target.pid else 0.0
    seconds = await chats_in_parallel(target, chats)
    bench.add("throughput.chats", target, chats / seconds)
    if target.pid:
        bench.add("throughput.chat_cpu", target, (processor_s(target.pid) - used_s) / chats * 1e3)


async def chats_in_parallel(target: Target, chats: int) -> float:
    """Run so many chats, ten at once; the seconds it took."""
    left = iter(range(chats))

    async def person() -> None:
        for _ in left:
            await chat(target, _TEXT)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(person())
    return time.monotonic() - begun
