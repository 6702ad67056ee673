"""A long look at one promise: no stream is lost, cut or mixed by a reload.

A real server under every combination of request rate, reload interval and share of failing reloads, one line a
combination. Low rates find the most: a busy agent is never idle, and the gaps are between things.

``python -m benchmarks.soak --minutes 30``; ``--quick`` looks at the corners of the matrix for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.client import Exchange, Target, call, chat_body, connect, head
from copaw.testing.server import RunningServer, running_server

RATES = (1, 5, 50, 200)
INTERVALS_S = (0.01, 0.1, 1.0)
FAILING = (0, 20, 100)
QUIET_S = 2.0
MAX_IN_FLIGHT = 200
PATIENCE_S = 60.0
WORDS = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination: requests a second, seconds between reloads, percent of them that fail."""

    rate: float
    interval_s: float
    failing: int


@dataclass(slots=True)
class Seen:
    """What became of the streams of a cell."""

    verdicts: Counter[str] = field(default_factory=Counter)
    first_ms: list[float] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        ordered = sorted(self.first_ms)
        return ordered[int(len(ordered) * 0.99)] if ordered else 0.0


class Storm:
    """Edits ``agent.json`` and asks for reloads, until cancelled.

    :param failing: percent of the edits that leave the file broken.
    """

    def __init__(self, target: Target, agent_file: Path, seed: int) -> None:
        self._target = target
        self._file = agent_file
        self._good = json.loads(agent_file.read_text())
        self._random = random.Random(seed)

    async def blow(self, interval_s: float, failing: int) -> None:
        for number in itertools.count():
            broken = self._random.random() * 100 < failing
            text = json.dumps({**self._good, "description": f"edit {number} {uuid.uuid4()}"})
            self._file.write_text(text[: len(text) // 2] if broken else text)
            await call(self._target, "POST", "/api/agents/default/reload")
            await asyncio.sleep(interval_s)

    async def calm(self) -> None:
        """Leave a good file in force."""
        self._file.write_text(json.dumps(self._good))
        await call(self._target, "POST", "/api/agents/default/reload?wait=true")


def payloads(exchange: Exchange) -> list[Any]:
    """The events of a chunked answer."""
    body, rest = b"", bytes(exchange.data).split(b"\r\n\r\n", 1)[1]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


def verdict(events: Sequence[Any], expected: str) -> str:
    """``ok``, or what happened to the stream."""
    if not events or events[-1].get("object") != "response" or events[-1]["status"] not in ("completed", "failed"):
        return "cut"
    if events[-1]["status"] == "failed":
        return "lost"
    text = "".join(event["text"] for event in events if event["object"] == "content" and event["delta"])
    responses = {event["id"] for event in events if event["object"] == "response"}
    in_order = [event["sequence_number"] for event in events] == list(range(len(events)))
    return "ok" if text == expected and in_order and len(responses) == 1 else "mixed"


async def one_stream(target: Target, seen: Seen) -> None:
    """One run with an answer of its own."""
    expected = " ".join(uuid.uuid4().hex[:6] for _ in range(WORDS))
    request = head(target, "POST", target.process_path, chat_body(f"say {expected}"))
    try:
        connection, answer = await connect(target, request)
        async with asyncio.timeout(PATIENCE_S):
            await connection.closed
        seen.verdicts[verdict(payloads(answer), expected) if answer.status == 200 else f"http {answer.status}"] += 1
        seen.first_ms.append(answer.first_event_ms)
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        seen.verdicts[f"cut ({type(error).__name__})"] += 1


async def load(target: Target, rate: float, seconds: float) -> Seen:
    """Requests at random times, ``rate`` of them a second on average."""
    seen, running = Seen(), set[asyncio.Task[None]]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(running) < MAX_IN_FLIGHT:
            task = asyncio.create_task(one_stream(target, seen))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(random.expovariate(rate))
    if running:
        await asyncio.wait(running)
    return seen


@asynccontextmanager
async def storming(storm: Storm, cell: Cell) -> AsyncIterator[None]:
    task = asyncio.create_task(storm.blow(cell.interval_s, cell.failing))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await storm.calm()


async def measure(server: RunningServer, target: Target, storm: Storm, cell: Cell, seconds: float) -> bool:
    """Run one cell, print its line, and say whether every stream was whole."""
    quiet = await load(target, cell.rate, QUIET_S)
    before = await generation(target)
    async with storming(storm, cell):
        seen = await load(target, cell.rate, seconds)
    reloads = await generation(target) - before
    bad = Counter({name: count for name, count in seen.verdicts.items() if name != "ok"})
    print(
        f"{cell.rate:>5g}/s  reload {cell.interval_s * 1e3:>5g} ms  failing {cell.failing:>3} %  "
        f"streams {seen.verdicts.total():>6}  lost {bad['lost']:>3}  cut {total(bad, 'cut'):>3}  "
        f"mixed {bad['mixed']:>3}  other {bad.total() - bad['lost'] - total(bad, 'cut') - bad['mixed']:>3}  "
        f"reloads {reloads:>4}  first event p99 {quiet.p99_ms:6.1f} ms quiet, {seen.p99_ms:6.1f} ms in the storm",
        flush=True,
    )
    return not bad and not [name for name in quiet.verdicts if name != "ok"]


def total(verdicts: Counter[str], prefix: str) -> int:
    return sum(count for name, count in verdicts.items() if name.startswith(prefix))


async def generation(target: Target) -> int:
    return int((await call(target, "GET", "/api/agents/default/lifecycle"))["generation"])


async def soak(cells: Sequence[Cell], seconds: float, seed: int) -> int:
    """Run every cell on one server. Returns how many were not clean, plus one if something is left at the end."""
    with tempfile.TemporaryDirectory(prefix="copaw-soak-") as home:
        environ = {"COPAW_LOG_LEVEL": "error"}
        async with running_server(Path(home), environ=environ) as server:
            host, port = server.base_url.removeprefix("http://").split(":")
            target = Target("soak", host, int(port), "/api/agent/process", server.pid)
            storm = Storm(target, server.workspace() / "agent.json", seed)
            memory = [resident_mb(server.pid)]
            unclean = 0
            for cell in cells:
                unclean += not await measure(server, target, storm, cell, seconds)
                memory.append(resident_mb(server.pid))
            state = await server.drained()
            left = len(state["generations"]) != 1
            print(f"generations left {len(state['generations'])}; resident memory {memory[1]:.0f} MB after the first "
                  f"cell, {statistics.median(memory[-3:]):.0f} MB at the end")  # fmt: skip
            return unclean + left


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="for the whole matrix; default 10")
    parser.add_argument("--quick", action="store_true", help="only the corners of the matrix, for about a minute")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rates, intervals, failing = (RATES, INTERVALS_S, FAILING)
    if options.quick:
        rates, intervals, failing = ((1, 5, 50), (0.01, 0.1), (0, 20))
    cells = [Cell(*values) for values in itertools.product(rates, intervals, failing)]
    seconds = 3.0 if options.quick else max(options.minutes * 60 / len(cells) - QUIET_S - 1, 1.0)
    unclean = asyncio.run(soak(cells, seconds, options.seed))
    print("clean" if not unclean else f"{unclean} combinations were not clean")
    return 1 if unclean else 0


if __name__ == "__main__":
    sys.exit(main())
