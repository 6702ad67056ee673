"""What every group of benchmarks works with: servers, sizes, and where results go."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import home, processes
from benchmarks.client import Target, chat
from benchmarks.results import FLOOR, SUBJECT, Results


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    :param rounds: how often; the result is the median over the rounds.
    :param starts: of each server, besides those that serve the other groups.
    :param many_agents: whether a home of 200 agents is measured too.
    """

    rounds: int
    starts: int
    commands: int
    requests: int
    tokens: int
    chats: int
    tasks: int
    agents: int
    reload_s: float
    many_agents: bool


FULL = Scale(5, 2, 9, 60, 1500, 150, 150, 20, 3.0, many_agents=True)
QUICK = Scale(2, 0, 5, 30, 600, 60, 60, 10, 1.0, many_agents=False)


@dataclass
class Bench:
    """One run of the benchmarks.

    :param subject: given: only this server is measured, and no process of it is ours.
    """

    scale: Scale
    results: Results
    model_url: str
    with_floor: bool
    subject: Target | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    _targets: list[Target] = field(default_factory=list)
    _home: Path | None = None

    @property
    def home(self) -> Path:
        """The home of the server that the HTTP groups measure."""
        if self._home is None:
            self._home = self.new_home()
        return self._home

    def new_home(self, further_agents: int = 0) -> Path:
        """A home that is removed at the end."""
        directory = self.stack.enter_context(processes.temporary_home())
        home.make(directory, self.model_url, further_agents)
        return directory

    def add(self, name: str, target: Target, *values: float) -> None:
        """Record samples."""
        self.results.add(name, target.name, *values)

    async def targets(self) -> list[Target]:
        """The servers that the HTTP groups measure, the subject first; started when first asked for."""
        if not self._targets:
            self._targets = [self.subject] if self.subject else await self._start_targets()
            for target in self._targets:
                await warm_up(target)
        return self._targets

    async def copaw(self) -> Target:
        """The server that is measured."""
        return (await self.targets())[0]

    async def _start_targets(self) -> list[Target]:
        names = (SUBJECT, FLOOR) if self.with_floor else (SUBJECT,)
        return [await self.start(name, self.stack, self.home) for name in names]

    async def start(self, name: str, stack: ExitStack, directory: Path | None = None) -> Target:
        """Start a server of ours, in a home of its own if none is given; its times and its memory are samples."""
        directory = directory or self.new_home()
        begun = time.monotonic()
        ours = name == SUBJECT
        running = processes.copaw_server(directory) if ours else processes.floor_server(directory, self.model_url)
        target, answered_s = await asyncio.to_thread(stack.enter_context, running)
        if ours:
            await until_ready(target)
        assert target.pid is not None
        ready_s = time.monotonic() - begun
        self.add("start.healthz", target, answered_s)
        self.add("memory.idle", target, processes.memory_mb(target.pid))
        self.add("start.ready", target, ready_s + await seconds_of(chat(target, "say ready")))
        return target


async def seconds_of(work: Awaitable[object]) -> float:
    """How long it takes."""
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


async def until_ready(target: Target) -> None:
    """Wait until every agent serves."""
    while not await asyncio.to_thread(processes.answers, target.port, "/readyz"):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)


async def warm_up(target: Target) -> None:
    """Let the server import and open what it does at its first requests."""
    for _ in range(5):
        await chat(target, "tokens 20")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Tell on stderr what is being measured, and how long that took."""
    begun = time.monotonic()
    print(f"{what:12}", end=" ", flush=True, file=sys.stderr)
    yield
    print(f"{time.monotonic() - begun:6.1f} s", file=sys.stderr)
