"""Short background tasks: accepted, run, recorded."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench
from benchmarks.client import Failed, Target, call, chat_body, exchange, head

_AT_ONCE = 10
_PENDING = ("pending", "submitted", "running")
_LOOK_S = 0.005


async def run(bench: Bench) -> None:
    for _ in range(bench.scale.rounds):
        for target in await bench.targets():
            bench.add("throughput.tasks", target, await _round(target, bench.scale.tasks))


async def _round(target: Target, tasks: int) -> float:
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
    return tasks / (time.monotonic() - begun)


async def _end(target: Target, task_id: str) -> None:
    while (status := await call(target, "GET", f"{target.process_path}/task/{task_id}"))["status"] in _PENDING:
        await asyncio.sleep(_LOOK_S)
    if status["status"] == "finished" and status["result"]["status"] == "completed":
        return
    if status["status"] != "completed":
        raise Failed(f"{target.name}: a task ended with {status}")
