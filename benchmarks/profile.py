"""Where a server's time goes: ``python -m benchmarks.profile chats|tokens|tasks|reloads``.

A sampling profiler looks at the server 250 times a second while it is kept busy, and two lists are printed: the
functions with what they call, and the functions alone. They are also kept as JSON below ``benchmarks/results/``. With
``--gil`` only samples that hold the interpreter's lock count, which is what limits a server of one process.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import home, processes
from benchmarks.bench import until_ready, warm_up
from benchmarks.client import Target, call, chat
from benchmarks.groups.tasks import tasks_in_parallel
from benchmarks.groups.throughput import chats_in_parallel
from benchmarks.results import save

_RATE = 250
_BATCH = 20


async def _chats(target: Target) -> int:
    await chats_in_parallel(target, _BATCH)
    return _BATCH


async def _tokens(target: Target) -> int:
    await chat(target, "tokens 2000")
    return 2000


async def _tasks(target: Target) -> int:
    await tasks_in_parallel(target, _BATCH)
    return _BATCH


async def _reloads(target: Target) -> int:
    path = "/api/agent/running-config"
    settings = await call(target, "GET", path)
    for number in range(_BATCH):
        await call(target, "PUT", path, {**settings, "max_iters": settings["max_iters"] % 900 + 1 + number})
        await call(target, "POST", "/api/agents/default/reload?wait=true")
    return _BATCH


LOADS: dict[str, Callable[[Target], Awaitable[int]]] = {
    "chats": _chats,
    "tokens": _tokens,
    "tasks": _tasks,
    "reloads": _reloads,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("load", choices=list(LOADS))
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--gil", action="store_true", help="count only what holds the interpreter's lock")
    parser.add_argument("--lines", type=int, default=60, help="length of the first list")
    options = parser.parse_args()
    py_spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if py_spy is None:
        sys.exit("Error: py-spy is not installed. Run: make install-dev")
    with tempfile.NamedTemporaryFile(suffix=".raw") as raw:
        command = [py_spy, "record", "-d", str(options.seconds), "-r", str(_RATE), "-f", "raw", "-o", raw.name]
        figures = asyncio.run(_profile([*command, *(["--gil"] if options.gil else [])], LOADS[options.load]))
        print("{per_second:.0f} a second, {processor_ms:.3f} ms of processor time each".format(**figures))
        whole, alone = counted(Path(raw.name).read_text("utf-8"))
    print(report(whole, alone, options.lines))
    shares = {"with_what_they_call": dict(whole.most_common(200)), "alone": dict(alone.most_common(200))}
    print(f"\n{save(f'profile-{options.load}', {**vars(options), **figures, 'samples': alone.total(), **shares})}")


async def _profile(command: list[str], load: Callable[[Target], Awaitable[int]]) -> dict[str, float]:
    with processes.model_server() as model_url, processes.temporary_home() as directory:
        await asyncio.to_thread(home.make, directory, model_url)
        with processes.copaw_server(directory) as (target, _):
            assert target.pid is not None
            await until_ready(target)
            await warm_up(target)
            recording = await asyncio.create_subprocess_exec(*command, "-p", str(target.pid), stdout=-3, stderr=-3)
            ended = asyncio.create_task(recording.wait(), name="py-spy")
            begun, used_s, done = time.monotonic(), processes.processor_s(target.pid), 0
            while not ended.done():
                done += await load(target)
            seconds, used_s = time.monotonic() - begun, processes.processor_s(target.pid) - used_s
            if await ended:
                sys.exit("Error: py-spy could not read the server; it needs the right to trace processes.")
            return {"per_second": done / seconds, "processor_ms": used_s / done * 1e3}


def counted(raw: str) -> tuple[Counter[str], Counter[str]]:
    """Samples of functions with what they call, and alone, from py-spy's raw format: a stack and a number a line."""
    whole, alone = Counter[str](), Counter[str]()
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";")]
        alone[frames[-1]] += int(samples)
        for frame in set(frames):
            whole[frame] += int(samples)
    # What is on every stack says nothing.
    return Counter({frame: count for frame, count in whole.items() if count < 0.95 * alone.total()}), alone


def report(whole: Counter[str], alone: Counter[str], lines: int) -> str:
    """Two lists for the terminal."""
    total = alone.total() or 1
    parts = [("With what they call:", whole, lines), ("Alone:", alone, lines // 2)]
    return "\n".join(
        "\n".join(["", title, *(f"{count / total:6.1%}  {name}" for name, count in counts.most_common(most))])
        for title, counts, most in parts
    )


def _short(frame: str) -> str:
    """A function with its file, without its line and without the way to its package."""
    return frame.rpartition(":")[0].replace(f"{Path(sys.prefix).parent}/", "") + ")"


if __name__ == "__main__":
    main()
