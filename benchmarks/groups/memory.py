"""Memory after work, and for further agents, of a server that did nothing else before."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from benchmarks.bench import QUICK, Bench
from benchmarks.client import Target, call
from benchmarks.groups.throughput import chats_in_parallel
from benchmarks.processes import memory_mb
from benchmarks.results import FLOOR, SUBJECT

_CHATS = 200


async def run(bench: Bench) -> None:
    with_floor = bench.with_floor and bench.scale is not QUICK
    for name in (SUBJECT, FLOOR) if with_floor else (SUBJECT,):
        with ExitStack() as stack:
            target = await bench.start(name, stack)
            assert target.pid is not None
            await chats_in_parallel(target, _CHATS)
            bench.add("memory.chats", target, memory_mb(target.pid))
            if name == SUBJECT:
                await _agents(bench, target, target.pid)


async def _agents(bench: Bench, target: Target, pid: int) -> None:
    before = memory_mb(pid)
    for number in range(bench.scale.agents):
        await call(target, "POST", "/api/agents", {"name": f"Further {number}"})
    await _until_all_serve(target)
    bench.add("memory.agent", target, (memory_mb(pid) - before) / bench.scale.agents)


async def _until_all_serve(target: Target) -> None:
    while True:
        agents = (await call(target, "GET", "/api/lifecycle"))["agents"]
        if all(agent["state"] == "serving" for agent in agents):
            return
        await asyncio.sleep(0.05)
