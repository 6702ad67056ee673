"""What those who chat notice of an agent that is reloaded all the time."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench
from benchmarks.changer import changer
from benchmarks.client import Target, chat
from benchmarks.results import percentile

_PERIOD_S = 1.0
_PAUSE_S = 0.2
"""So that the last reload of a busy period does not fall into a quiet one."""


async def run(bench: Bench) -> None:
    """Short quiet and busy periods alternate, so that a change of the machine's mood hits both.

    The 99th percentile is that of all periods of a kind: one period has a sample or two above it, which says little.
    """
    target = await bench.copaw()
    quiet: list[float] = []
    busy: list[float] = []
    with changer(target) as others:
        for _ in range(round(bench.scale.rounds * bench.scale.reload_s / _PERIOD_S)):
            quiet += await _first_events_ms(target)
            with others.changing():
                busy += await _first_events_ms(target)
            await asyncio.sleep(_PAUSE_S)
    quiet_p99, busy_p99 = percentile(quiet, 0.99), percentile(busy, 0.99)
    bench.add("reload.quiet_p99", target, quiet_p99)
    bench.add("reload.busy_p99", target, busy_p99)
    bench.add("reload.ratio", target, busy_p99 / quiet_p99)


async def _first_events_ms(target: Target) -> list[float]:
    until = time.monotonic() + _PERIOD_S
    samples = []
    while time.monotonic() < until:
        samples.append((await chat(target, "say hi")).first_event_ms)
    return samples
