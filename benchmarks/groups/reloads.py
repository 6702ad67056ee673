"""What those who chat notice of an agent that is reloaded all the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from benchmarks.bench import Bench
from benchmarks.client import Target, call, chat
from benchmarks.results import percentile

_EVERY_S = 0.1
_PATH = "/api/agent/running-config"
_numbers = count(100)


async def run(bench: Bench) -> None:
    """Quiet and busy periods alternate, so that a change of the machine's mood hits both."""
    target = await bench.copaw()
    settings = await call(target, "GET", _PATH)
    ratios = []
    for _ in range(bench.scale.rounds):
        quiet = await _p99_ms(target, bench.scale.reload_s)
        async with _reloading(target, settings):
            busy = await _p99_ms(target, bench.scale.reload_s)
        bench.add("reload.quiet_p99", target, quiet)
        bench.add("reload.busy_p99", target, busy)
        ratios.append(busy / quiet)
    bench.add("reload.ratio", target, *ratios)
    await call(target, "PUT", _PATH, settings)


async def _p99_ms(target: Target, seconds: float) -> float:
    until = time.monotonic() + seconds
    samples = []
    while time.monotonic() < until:
        samples.append((await chat(target, "say hi")).first_event_ms)
    return percentile(samples, 0.99)


@asynccontextmanager
async def _reloading(target: Target, settings: dict[str, Any]) -> AsyncIterator[None]:
    async def change() -> None:
        while True:
            await call(target, "PUT", _PATH, {**settings, "max_iters": next(_numbers) % 900 + 10})
            await asyncio.sleep(_EVERY_S)

    changing = asyncio.create_task(change(), name="reloads")
    try:
        yield
        if changing.done():
            changing.result()
    finally:
        changing.cancel()
        await asyncio.wait([changing])
