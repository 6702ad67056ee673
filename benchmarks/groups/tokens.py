"""What each further token of a stream costs: a long stream less a short one."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.client import Target, chat
from benchmarks.processes import processor_s

_SHORT = 50


async def run(bench: Bench) -> None:
    long = bench.scale.tokens
    for _ in range(bench.scale.rounds):
        for target in await bench.targets():
            short_s, _ = await _stream(target, _SHORT)
            long_s, used_s = await _stream(target, long)
            bench.add("token.wall", target, (long_s - short_s) / (long - _SHORT) * 1e3)
            if used_s:
                bench.add("token.cpu", target, used_s / long * 1e3)


async def _stream(target: Target, tokens: int) -> tuple[float, float]:
    used_s = processor_s(target.pid) if target.pid else 0.0
    answer = await chat(target, f"tokens {tokens}")
    used_s = processor_s(target.pid) - used_s if target.pid else 0.0
    if answer.events < tokens:
        raise RuntimeError(f"{target.name}: {answer.events} events for {tokens} tokens")
    return answer.end_at - answer.sent_at, used_s
