"""Measures that need to be in the server's process: leases, swaps, the event loop during a reload.

``python -m benchmarks.inside quick|full`` runs the real services on the home that the environment names, and
prints ``{measure: [samples]}``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.processes import memory_mb
from benchmarks.results import percentile
from copaw.aiokits.lease import Lease, LeaseSet
from copaw.app.agent_slot import AgentSlot
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.services import Services, open_services
from copaw.app.workspace import Workspace
from copaw.config.models import AgentProfileConfig
from copaw.paths import Paths

AGENT = "default"
_TICK_S = 0.001
Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Size:
    """How often each thing is done."""

    pairs: int
    reloads: int
    draining: int
    many_reloads: int


SIZES = {"quick": Size(100_000, 40, 50, 0), "full": Size(200_000, 150, 100, 1000)}


class Lab:
    """The real services, with a manager of its own, and an agent that does not wait for further edits."""

    def __init__(self, services: Services, size: Size) -> None:
        generations = services.generations
        self.config = services.config
        self.size = size
        self.samples: Samples = defaultdict(list)
        self.manager = MultiAgentManager(
            read_snapshot=generations.read,
            open_resources=generations.open,
            changed_fields=generations.changed,
        )
        self._numbers = count(1)

    async def edit(self) -> None:
        """A change that needs a new generation."""
        number = next(self._numbers)

        def change(profile: AgentProfileConfig) -> None:
            profile.running.max_iters = number
            profile.running.max_draining = 1000
            profile.running.reload_settle_seconds = 0.0

        await self.config.patch_agent(AGENT, change)

    async def reload(self) -> None:
        """Edit, and wait until new runs use it."""
        await self.edit()
        outcome = await self.manager.reload_agent(AGENT)
        if outcome.outcome != "swapped":
            raise RuntimeError(f"a reload ended as {outcome}")

    def acquire(self) -> tuple[Workspace, Lease]:
        return self.manager.acquire(AGENT, "stream", "bench")


async def leases(lab: Lab) -> None:
    """Acquire and release, alone and through the manager."""
    pairs = range(lab.size.pairs)
    leases = LeaseSet()
    for _ in range(5):
        begun = time.perf_counter()
        for _ in pairs:
            leases.acquire("stream", "bench").release()
        lab.samples["lease.set"].append((time.perf_counter() - begun) / len(pairs) * 1e6)
        begun = time.perf_counter()
        for _ in pairs:
            lab.manager.acquire(AGENT, "stream", "bench")[1].release()
        lab.samples["lease.manager"].append((time.perf_counter() - begun) / len(pairs) * 1e6)
        await asyncio.sleep(0)


async def reloads(lab: Lab) -> None:
    """The swap, the whole reload, and how long the loop stands still for it."""
    ticker = Ticker()
    watching = asyncio.create_task(ticker.run(), name="ticker")
    quiet, blocked = [], []
    for _ in range(lab.size.reloads):
        ticker.longest_s = 0.0
        await asyncio.sleep(0.02)
        quiet.append(ticker.longest_s * 1e3)
        ticker.longest_s, begun = 0.0, time.perf_counter()
        await lab.reload()
        lab.samples["reload.duration"].append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(0.005)
        blocked.append(ticker.longest_s * 1e3)
    watching.cancel()
    lab.samples["loop.quiet"].append(percentile(quiet, 0.95))
    lab.samples["loop.reload"].append(percentile(blocked, 0.95))


class Ticker:
    """Notices when the event loop does not come round."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - begun - _TICK_S)


async def releases(lab: Lab) -> None:
    """From the last release of a draining generation until it is closed."""
    for _ in range(min(30, lab.size.reloads)):
        workspace, lease = lab.acquire()
        await lab.reload()
        begun = time.perf_counter()
        lease.release()
        await workspace.wait_closed()
        lab.samples["release.closed"].append((time.perf_counter() - begun) * 1e3)


async def draining(lab: Lab) -> None:
    """Memory for each generation that is kept by a lease and does nothing."""
    before = _memory_mb()
    held = []
    for _ in range(lab.size.draining):
        held.append(lab.acquire())
        await lab.reload()
    lab.samples["memory.draining"].append((_memory_mb() - before) / len(held))
    for workspace, lease in held:
        lease.release()
        await workspace.wait_closed()


async def growth(lab: Lab) -> None:
    """Memory, open files, threads and tasks after a thousand reloads."""
    if not lab.size.many_reloads:
        return
    process = psutil.Process()
    before, files, threads = _memory_mb(), process.num_fds(), process.num_threads()
    tasks = len(asyncio.all_tasks())
    for _ in range(lab.size.many_reloads):
        await lab.reload()
    for workspace in list(lab.manager.slot(AGENT).draining.values()):
        await workspace.wait_closed()  # the last one is replaced, and not closed in the same tick
    lab.samples["reloads.growth"].append(_memory_mb() - before)
    lab.samples["reloads.files"].append(process.num_fds() - files)
    lab.samples["reloads.threads"].append(process.num_threads() - threads)
    lab.samples["reloads.tasks"].append(len(asyncio.all_tasks()) - tasks)


def _memory_mb() -> float:
    gc.collect()
    return memory_mb(os.getpid())


def _time_swaps() -> list[float]:
    """From here on every swap leaves its duration, in microseconds."""
    swap, taken = AgentSlot._swap, []

    def timed(*args: Any) -> None:
        begun = time.perf_counter()
        swap(*args)
        taken.append((time.perf_counter() - begun) * 1e6)

    AgentSlot._swap = timed  # type: ignore[method-assign, assignment]
    return taken


async def main(size: Size) -> Samples:
    """Measure everything."""
    swaps = _time_swaps()
    async with open_services(Paths.from_environment(), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        gc.freeze()  # as the server does when it is ready
        lab = Lab(services, size)
        await lab.manager.start_agent(AGENT)
        for _ in range(10):
            await lab.reload()
        swaps.clear()
        for measure in (leases, reloads, releases, draining, growth):
            await measure(lab)
        await lab.manager.stop_all(0.0)
    lab.samples["swap.p50"].append(statistics.median(swaps))
    lab.samples["swap.p99"].append(percentile(swaps, 0.99))
    return lab.samples


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    print(json.dumps(run(main(SIZES[sys.argv[1]]))))
