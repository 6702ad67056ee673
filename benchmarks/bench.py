"""What every group of benchmarks works with: servers, sizes, and where results go."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.client import Failed, Target, call, chat
from benchmarks.results import FLOOR, SUBJECT, Results

PROVIDER = "copaw-bench"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. :param rounds: how often; the median of the rounds is the result."""

    rounds: int
    starts: int
    commands: int
    requests: int
    tokens: int
    chats: int
    tasks: int
    memory_chats: int
    agents: int
    reload_s: float
    many_agents: bool


FULL = Scale(5, 3, 9, 60, 1500, 200, 250, 200, 20, 4.0, many_agents=True)
QUICK = Scale(3, 1, 5, 30, 600, 100, 120, 200, 10, 1.5, many_agents=False)


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
        """A home that is kept for the whole run, configured for the model server."""
        if self._home is None:
            self._home = self.stack.enter_context(processes.temporary_home())
        return self._home

    def add(self, name: str, target: Target, *values: float) -> None:
        self.results.add(name, target.name, *values)

    async def targets(self) -> list[Target]:
        """The servers that are measured over HTTP, started when first asked for."""
        if not self._targets:
            self._targets = [self.subject] if self.subject else await self._start_targets()
            for target in self._targets:
                await warm_up(target)
        return self._targets

    async def copaw(self) -> Target:
        """The server that is measured."""
        return (await self.targets())[0]

    async def _start_targets(self) -> list[Target]:
        targets = [await self.start(SUBJECT, self.stack)]
        return [*targets, await self.start(FLOOR, self.stack)] if self.with_floor else targets

    async def start(self, name: str, stack: ExitStack) -> Target:
        """Start a server of ours and record how long that took, and its memory."""
        begun = time.monotonic()
        running = (
            processes.copaw_server(self.home) if name == SUBJECT else processes.floor_server(self.home, self.model_url)
        )
        target, answered_s = stack.enter_context(running)
        if name == SUBJECT:
            new = not (self.home / "configured").exists()
            await until_ready(target)
            if new:
                await configure(target, self.model_url)
                (self.home / "configured").touch()
                return target  # its start made a home and is no sample
        assert target.pid is not None
        self.add("start.healthz", target, answered_s)
        self.add("memory.idle", target, processes.memory_mb(target.pid))
        await chat(target, "say ready")
        self.add("start.ready", target, time.monotonic() - begun)
        return target


async def until_ready(target: Target) -> None:
    """Wait until every agent serves."""
    while not await asyncio.to_thread(processes.answers, target.port, "/readyz"):
        await asyncio.sleep(0.01)


async def warm_up(target: Target) -> None:
    """Let the server import and open what it does at its first requests."""
    for _ in range(5):
        await chat(target, "tokens 20")


async def configure(target: Target, model_url: str) -> None:
    """Let every agent of a server use the model server."""
    spec = {"id": PROVIDER, "name": "Benchmarks", "models": [{"id": "scripted", "name": "scripted"}]}
    await call(target, "POST", "/api/models/custom-providers", {**spec, "default_base_url": model_url})
    await call(target, "PUT", f"/api/models/{PROVIDER}/config", {"api_key": "none", "base_url": model_url})
    slot = {"provider_id": PROVIDER, "model": "scripted", "scope": "global"}
    await call(target, "PUT", "/api/models/active", slot)
    await until_model(target)


async def until_model(target: Target) -> None:
    """Wait until the agent answers with the model server's words."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if (await chat(target, "tokens 1")).model_at:
                return
        except Failed as error:
            print(error, file=sys.stderr)
        await asyncio.sleep(0.1)
    raise Failed(f"{target.base_url} did not take up the model server; is another model chosen for its agent?")


@contextmanager
def timed(label: str) -> Iterator[None]:
    """Tell on stderr what is being measured, and how long it took."""
    begun = time.monotonic()
    print(f"{label} ...", end=" ", flush=True, file=sys.stderr)
    yield
    print(f"{time.monotonic() - begun:.1f} s", file=sys.stderr)
