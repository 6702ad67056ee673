"""Agents without models: real slots, workspaces and leases over resources that only count.

Everything that matters for a lifecycle is observable here: what was opened and closed, in which order, by which
generation, and whether anything was used after it was closed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from copaw.aiokits.pool import Pool
from copaw.app.ingress.port import Ingress, NoIngress
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.observer import LifecycleObserver
from copaw.app.reloads.settings import SlotSettings
from copaw.config.models import AgentProfileConfig, ModelSlotConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import AgentNotFound, BadInput
from copaw.paths import WorkspacePaths
from copaw.ports import Compacted, EventSink, Json, Turn
from copaw.testing.fake_ingress import FakeIngress, FakePorts, Handle, IngressConfig

Script = Callable[[Turn, EventSink], Awaitable[None]]
"""What a turn does."""

GENERATION = "generation"
"""The field by which every event names the generation that made it."""


@dataclass
class FakeConfig:
    """The configuration of one agent, and how its next builds go.

    :param value: any change of it changes the digest.
    :param pooled: shared resources by name, each with a configuration of its own.
    :param ingress: part of the digest.
    :param revision: what the store would count; ``value`` if omitted.
    :param invalid: reading it fails with this sentence.
    :param build_s: seconds that opening takes.
    :param build_error: opening fails with this sentence, after ``build_s``.
    :param hang: opening never ends of its own accord.
    :param refused: pooled resources that cannot be opened; the generation serves without them.
    :param close_s: seconds that closing takes.
    """

    value: int = 0
    grace_s: float | None = 3600.0
    max_draining: int = 8
    settle_s: float = 0.05
    pooled: dict[str, int] = field(default_factory=dict)
    ingress: IngressConfig = field(default_factory=IngressConfig)
    revision: int | None = None
    invalid: str = ""
    build_s: float = 0.0
    build_error: str = ""
    hang: bool = False
    refused: frozenset[str] = frozenset()
    close_s: float = 0.0

    @property
    def digest(self) -> str:
        """Of what a generation is built from."""
        parts = (self.value, self.grace_s, self.max_draining, self.settle_s, sorted(self.pooled.items()), self.ingress)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass
class FakeWorld:
    """Configurations, and what became of the resources opened for them.

    :param violations: promises that were broken, as sentences.
    :param on_read: told of the agent whenever its configuration is read.
    :param on_build: told of the agent whenever a build begins.
    :param observer: given to the manager.
    """

    configs: dict[str, FakeConfig] = field(default_factory=dict)
    opened: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    built_values: list[int] = field(default_factory=list)
    script: Script | None = None
    reads: int = 0
    violations: list[str] = field(default_factory=list)
    on_read: Callable[[str], None] = lambda _agent_id: None
    on_build: Callable[[str], None] = lambda _agent_id: None
    observer: LifecycleObserver | None = None
    pool_open: Counter[str] = field(default_factory=Counter)
    ingresses: dict[str, FakeIngress] = field(default_factory=dict)
    _read: dict[str, FakeConfig] = field(default_factory=dict)
    _profiles: dict[str, AgentProfileConfig] = field(default_factory=dict)
    _serials: int = 0

    def __post_init__(self) -> None:
        self.ports = FakePorts(self.violations)
        self._pool: Pool[str, str] | None = None

    def configure(self, agent_id: str, **values: object) -> FakeConfig:
        """Make or change an agent's configuration."""
        config = self.configs.setdefault(agent_id, FakeConfig())
        for name, value in values.items():
            setattr(config, name, value)
        return config

    @property
    def open_now(self) -> list[str]:
        """Resources that are open, by ``agent:value``."""
        return sorted((self.opened - self.closed).elements())

    @property
    def pool(self) -> Pool[str, str]:
        """The resources that generations share, by ``name=configuration``."""
        if self._pool is None:
            self._pool = Pool("fake")
        return self._pool

    # -- what a manager is given ------------------------------------------------------------------------------

    async def read(self, agent_id: str) -> AgentSnapshot:
        """As ``Generations.read``."""
        self.reads += 1
        self.on_read(agent_id)
        config = self.configs.get(agent_id)
        if config is None:
            raise AgentNotFound(agent_id)
        if config.invalid:
            raise BadInput(config.invalid)
        digest = config.digest
        self._read[digest] = replace(config, pooled=dict(config.pooled))
        revision = config.value if config.revision is None else config.revision
        profile = self._profile(agent_id, digest, config)
        return AgentSnapshot(agent_id, revision, WorkspacePaths(Path("/nowhere")), profile, ModelSlotConfig(), digest)

    def _profile(self, agent_id: str, digest: str, config: FakeConfig) -> AgentProfileConfig:
        key = f"{agent_id}:{digest}"
        if key not in self._profiles:
            running = {
                "max_iters": config.value + 1,
                "reload_grace_seconds": config.grace_s,
                "max_draining": config.max_draining,
                "reload_settle_seconds": config.settle_s,
            }
            raw = {"id": agent_id, "name": agent_id, "running": running}
            self._profiles[key] = AgentProfileConfig.model_validate(raw)
        return self._profiles[key]

    @asynccontextmanager
    async def open(self, snapshot: AgentSnapshot) -> AsyncIterator[FakeRunner]:
        """As ``Generations.open``."""
        live = self.configs[snapshot.agent_id]
        self.on_build(snapshot.agent_id)
        value = snapshot.profile.running.max_iters - 1
        self.built_values.append(value)
        async with AsyncExitStack() as stack:
            self._serials += 1
            runner = FakeRunner(self, f"{snapshot.agent_id}:{value}", self._serials)
            stack.push_async_callback(self._close, runner, live)
            self.opened[runner.name] += 1
            await self._open_pooled(stack, runner, self._read[snapshot.digest].pooled, live.refused)
            await asyncio.sleep(live.build_s)
            if live.hang:
                await asyncio.Event().wait()
            if live.build_error:
                raise RuntimeError(live.build_error)
            yield runner

    async def _close(self, runner: FakeRunner, config: FakeConfig) -> None:
        runner.is_open = False
        if left := [session for session, turn in runner.at_work.items() if not turn.abandoned()]:
            self.violations.append(f"invariant 3: {runner.name} is closed under {left}")
        try:
            if config.close_s:
                await asyncio.sleep(config.close_s)
        finally:
            self.closed[runner.name] += 1

    async def _open_pooled(
        self, stack: AsyncExitStack, runner: FakeRunner, pooled: dict[str, int], refused: frozenset[str]
    ) -> None:
        for name, value in pooled.items():
            key = f"{name}={value}"
            try:
                await stack.enter_async_context(self.pool.using(key, partial(self._pooled, key, name in refused)))
            except ConnectionRefusedError:
                runner.missing.append(name)
            else:
                runner.pooled.append(key)

    @asynccontextmanager
    async def _pooled(self, key: str, refuse: bool) -> AsyncIterator[str]:
        if refuse:
            raise ConnectionRefusedError(key)
        self.pool_open[key] += 1
        if self.pool_open[key] > 1:
            self.violations.append(f"invariant 3: pooled {key} is open twice")
        try:
            yield key
        finally:
            self.pool_open[key] -= 1

    def changed(self, old: AgentSnapshot, new: AgentSnapshot) -> list[str]:
        """As ``Generations.changed``."""
        return [] if old.digest == new.digest else ["value"]

    def manager(self, **settings: float) -> MultiAgentManager:
        """A real manager over this world."""
        return MultiAgentManager(
            read_snapshot=self.read,
            open_resources=self.open,
            changed_fields=self.changed,
            settings=SlotSettings(**settings),
            make_ingress=self._ingress,
            observer=self.observer,
        )

    def bring(self, agent_id: str, handle: Handle, *, connect_s: float = 0.0) -> FakeIngress:
        """Give an agent an ingress, before the agent is first started.

        :param handle: brings one message to the agent.
        """
        ingress = FakeIngress(
            agent_id,
            config_of=lambda snapshot: self._read[snapshot.digest].ingress,
            handle=handle,
            ports=self.ports,
            violations=self.violations,
            connect_s=connect_s,
        )
        self.ingresses[agent_id] = ingress
        return ingress

    def _ingress(self, agent_id: str) -> Ingress:
        return self.ingresses.get(agent_id) or NoIngress()


class FakeRunner:
    """Runs the world's script, and notices when it is used after its workspace closed.

    :param serial: counts what was opened in this world; every event of a run carries it.
    """

    def __init__(self, world: FakeWorld, name: str, serial: int) -> None:
        self._world = world
        self.name = name
        self.serial = serial
        self.is_open = True
        self.pooled: list[str] = []
        self.missing: list[str] = []
        self.at_work: dict[str, Turn] = {}

    async def run(self, turn: Turn, emit: EventSink) -> None:
        if not self.is_open:
            self._world.violations.append(f"invariant 3: {self.name} was used after it was closed")
            raise AssertionError(f"{self.name} was used after it was closed")
        if self._world.script is None:
            return
        self.at_work[turn.session_id] = turn
        try:
            await self._world.script(turn, lambda payload: self._emit(turn, emit, payload))
        finally:
            del self.at_work[turn.session_id]

    async def compact(self, turn: Turn, instructions: str = "") -> Compacted:
        """There is no conversation here."""
        return Compacted(0, 0, 0)

    async def call(self, turn: Turn, tool: str, arguments: Json, emit: EventSink) -> None:
        """A tool call is a turn like any other here."""
        await self.run(turn, emit)

    def _emit(self, turn: Turn, emit: EventSink, payload: Json) -> None:
        if not turn.abandoned():
            self.check_pooled()
        emit({**payload, GENERATION: self.serial})

    def check_pooled(self) -> None:
        """Whoever works here needs everything that was opened for it."""
        for key in self.pooled:
            if not self._world.pool_open[key]:
                self._world.violations.append(f"invariant 3: pooled {key} was closed under {self.name}")
