"""Short background tasks: accepted, run, recorded."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench
from benchmarks.client import Failed, Target, call, chat_body, exchange, head
from benchmarks.processes import processor_s

_AT_ONCE = 10
_LOOK_S = 0.005


async def run(bench: Bench) -> None:
    for _ in range(bench.scale.rounds):
        for target in await bench.targets():
            tasks = bench.scale.tasks
            used_s = processor_s(target.pid) if target.pid else 0.0
            bench.add("throughput.tasks", target, tasks / await tasks_in_parallel(target, tasks))
            if target.pid:
                bench.add("throughput.task_cpu", target, (processor_s(target.pid) - used_s) / tasks * 1e3)


async def tasks_in_parallel(target: Target, tasks: int) -> float:
    """Submit so many tasks, ten at once, and wait for the last; the seconds it took."""
    ids: asyncio.Queue[str] = asyncio.Queue()
    left = iter(range(tasks))

    async def submitter() -> None:
        for _ in left:
            request = head(target, "POST", f"{target.process_path}/task", chat_body("say done"))
            ids.put_nowait((await exchange(target, request)).json["task_id"])

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(submitter())
        # One after the other, so that looking costs the server little.
        for _ in range(tasks):
            await _end(target, await ids.get())
    return time.monotonic() - begun


async def _end(target: Target, task_id: str) -> None:
    path = f"{target.process_path}/task/{task_id}"
    while True:
        status = await call(target, "GET", path)
        match status:
            case {"status": "pending" | "submitted" | "running"}:
                await asyncio.sleep(_LOOK_S)
            case {"status": "finished", "result": {"status": "completed"}}:
                return
            case _:
                raise Failed(f"{target.name}: a task ended with {status}")
