"""A ledger with ten thousand finished tasks: looking at it, and what further tasks leave in memory."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bench import QUICK, Bench
from benchmarks.client import Target, call, exchange, head
from benchmarks.groups.tasks import tasks_in_parallel
from benchmarks.processes import environ_of, memory_mb
from benchmarks.results import SUBJECT, percentile
from copaw.app.background.database import sqlite_url
from copaw.app.background.outcome import frame_of
from copaw.app.background.records import EventChunk, TaskRecord, TaskState
from copaw.app.background.settings import DATABASE_NAME
from copaw.app.background.sql_store import SqlTaskStore, open_sql_store
from copaw.paths import Paths

FINISHED = 10_000
_LOOKS = 100
_WARM_UP = 400


async def run(bench: Bench) -> None:
    directory = bench.new_home()
    await fill(Paths.from_environment(environ_of(directory)).working_dir, FINISHED)
    with ExitStack() as stack:
        target = await bench.start(SUBJECT, stack, directory)
        for name, path in (await _paths(target)).items():
            bench.add(f"history.{name}", target, percentile(await _looks(target, path), 0.95))
        assert target.pid is not None
        await tasks_in_parallel(target, _WARM_UP)
        bench.add("history.growth", target, await _growth(target, target.pid, 10 if bench.scale is QUICK else 20))


async def _growth(target: Target, pid: int, batches: int) -> float:
    """By how much the lowest memory of the second half of so many batches of 100 is above that of the first.

    The highest says when the garbage was last collected.
    """
    samples = []
    for _ in range(batches):
        await tasks_in_parallel(target, 100)
        samples.append(memory_mb(pid))
    return min(samples[batches // 2 :]) - min(samples[: batches // 2])


async def _paths(target: Target) -> dict[str, str]:
    newest = (await call(target, "GET", "/api/tasks?limit=500"))["tasks"]
    cursor = (await call(target, "GET", "/api/tasks?limit=500"))["next_cursor"]
    for _ in range(18):
        cursor = (await call(target, "GET", f"/api/tasks?limit=500&cursor={cursor}"))["next_cursor"]
    task_id = newest[-1]["id"]
    return {
        "list": "/api/tasks",
        "oldest": f"/api/tasks?cursor={cursor}",
        "filtered": "/api/tasks?agent_id=default&state=failed",
        "show": f"/api/tasks/{task_id}",
        "events": f"/api/tasks/{task_id}/events",
        "status": f"{target.process_path}/task/{task_id}",
    }


async def _looks(target: Target, path: str) -> list[float]:
    """Milliseconds from sending to the end of the answer."""
    samples = []
    for _ in range(_LOOKS):
        begun = time.monotonic()
        await exchange(target, head(target, "GET", path, b""))
        samples.append((time.monotonic() - begun) * 1e3)
    return samples


async def fill(working_dir: Path, count: int) -> None:
    """Write so many finished tasks into the ledger of a home, each with what a chat of 50 tokens leaves."""
    store = await open_sql_store(sqlite_url(working_dir / DATABASE_NAME))
    now = time.time()
    for start in range(0, count, 500):
        await asyncio.gather(*(_finished(store, number, now - count + number) for number in range(start, start + 500)))
    await store.aclose()


async def _finished(store: SqlTaskStore, number: int, at: float) -> None:
    state = TaskState.FAILED if number % 10 == 0 else TaskState.SUCCEEDED
    content = [{"object": "content", "type": "text", "text": "word " * 50, "delta": False}]
    message = {"object": "message", "type": "message", "role": "assistant", "content": content}
    result = {"object": "response", "status": "completed", "error": None, "output": [message], "usage": None}
    record = TaskRecord(
        id=f"task-{number:08}",
        agent_id="default",
        session_id=f"s{number}",
        user_id=f"s{number}",
        state=TaskState.QUEUED,
        created_at=at,
        timeout_s=3600.0,
        owner="local",
        request={"input": [{"role": "user", "content": [{"type": "text", "text": "tokens 50"}]}]},
    )
    frames = [frame_of(n, {"object": "content", "delta": True, "text": "word ", "msg_id": "m"}) for n in range(55)]
    frames.append(frame_of(55, result))
    await store.add(record)
    await store.advance(
        record.id, state, chunks=[EventChunk(record.id, 0, 55, "".join(frames))], ended_at=at + 1, result=result
    )
