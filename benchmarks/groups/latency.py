"""How long one person waits, one request at a time."""

from __future__ import annotations

import statistics

from benchmarks.bench import Bench
from benchmarks.client import Exchange, Target, chat


async def run(bench: Bench) -> None:
    for _ in range(bench.scale.rounds):
        for target in await bench.targets():
            exchanges = [await chat(target, "tokens 1") for _ in range(bench.scale.requests)]
            _record(bench, target, exchanges)


def _record(bench: Bench, target: Target, exchanges: list[Exchange]) -> None:
    def median_ms(seconds: list[float]) -> float:
        return statistics.median(seconds) * 1e3

    bench.add("latency.first_event", target, median_ms([e.first_at - e.sent_at for e in exchanges]))
    bench.add("latency.request_to_text", target, median_ms([e.text_at - e.sent_at for e in exchanges]))
    bench.add("latency.first_text", target, median_ms([e.text_at - e.model_at for e in exchanges]))
    bench.add("latency.whole_chat", target, median_ms([e.end_at - e.sent_at for e in exchanges]))
