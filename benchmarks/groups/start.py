"""How long until a server answers, and how much memory it has then."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

from benchmarks import processes
from benchmarks.bench import Bench, until_ready
from benchmarks.client import call, chat
from benchmarks.results import FLOOR, SUBJECT

_MANY, _USED = 199, 5


async def run(bench: Bench) -> None:
    """Each server of the HTTP groups is one start; here are some more."""
    await bench.targets()
    for _ in range(bench.scale.starts):
        for name in (SUBJECT, FLOOR) if bench.with_floor else (SUBJECT,):
            with ExitStack() as stack:
                await bench.start(name, stack)
    if bench.scale.many_agents:
        await _many_agents(bench)


async def _many_agents(bench: Bench) -> None:
    home = await asyncio.to_thread(bench.new_home, _MANY)
    begun = time.monotonic()
    with processes.copaw_server(home) as (target, _):
        assert target.pid is not None
        await chat(target, "say ready")
        bench.add("agents200.ready", target, time.monotonic() - begun)
        await until_ready(target)
        agents = (await call(target, "GET", "/api/agents"))["agents"]
        for agent in agents[:_USED]:
            await chat(target, "say used", agent_id=agent["id"])
        bench.add("agents200.idle", target, processes.memory_mb(target.pid))
