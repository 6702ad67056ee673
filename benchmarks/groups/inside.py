"""What can only be seen from inside: measured in a process of its own by :mod:`benchmarks.inside`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from benchmarks.bench import QUICK, Bench
from benchmarks.processes import environ_of
from benchmarks.results import SUBJECT


async def run(bench: Bench) -> None:
    size = "quick" if bench.scale is QUICK else "full"
    directory = bench.new_home()
    for _ in range(1 if bench.scale is QUICK else 3):
        command = [sys.executable, "-m", "benchmarks.inside", size]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ_of(directory), stdout=subprocess.PIPE, check=True
        )
        for name, samples in json.loads(done.stdout).items():
            bench.results.add(name, SUBJECT, *samples)
