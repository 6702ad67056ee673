"""The groups of benchmarks, by the name that ``--only`` takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.groups import (
    commands,
    history,
    inside,
    latency,
    listeners,
    memory,
    reloads,
    start,
    tasks,
    throughput,
    tokens,
)


@dataclass(frozen=True, slots=True)
class Group:
    """:param http: it needs nothing but the address of a server."""

    run: Callable[[Bench], Awaitable[None]]
    http: bool


GROUPS = {
    "start": Group(start.run, http=False),
    "commands": Group(commands.run, http=False),
    "latency": Group(latency.run, http=True),
    "tokens": Group(tokens.run, http=True),
    "throughput": Group(throughput.run, http=True),
    "tasks": Group(tasks.run, http=True),
    "history": Group(history.run, http=False),
    "reloads": Group(reloads.run, http=True),
    "listeners": Group(listeners.run, http=True),
    "inside": Group(inside.run, http=False),
    "memory": Group(memory.run, http=False),
}
