"""Agents without models: real slots, workspaces and leases over resources that only count.

Everything that matters for a lifecycle is observable here: what was opened and closed, in which order, by which
generation, and whether anything was used after it was closed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.workspace.settings import SlotSettings
from copaw.config.models import AgentProfileConfig, ModelSlotConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import AgentNotFound, BadInput
from copaw.paths import WorkspacePaths
from copaw.ports import EventSink, Turn

Script = Callable[[Turn, EventSink], Awaitable[None]]
"""What a turn does."""


@dataclass
class FakeConfig:
    """The configuration of one agent.

    :param value: any change of it changes the digest.
    :param invalid: reading it fails with this sentence.
    :param build_s: seconds that opening takes.
    :param build_error: opening fails with this sentence, after ``build_s``.
    """

    value: int = 0
    grace_s: float | None = 3600.0
    max_draining: int = 8
    invalid: str = ""
    build_s: float = 0.0
    build_error: str = ""


@dataclass
class FakeWorld:
    """Configurations, and what became of the resources opened for them."""

    configs: dict[str, FakeConfig] = field(default_factory=dict)
    opened: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    built_values: list[int] = field(default_factory=list)
    script: Script | None = None
    reads: int = 0

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

    async def read(self, agent_id: str) -> AgentSnapshot:
        """As ``Generations.read``."""
        self.reads += 1
        config = self.configs.get(agent_id)
        if config is None:
            raise AgentNotFound(agent_id)
        if config.invalid:
            raise BadInput(config.invalid)
        running = {
            "max_iters": config.value + 1,
            "reload_grace_seconds": config.grace_s,
            "max_draining": config.max_draining,
        }
        profile = AgentProfileConfig.model_validate({"id": agent_id, "name": agent_id, "running": running})
        digest = hashlib.sha256(repr((config.value, config.grace_s, config.max_draining)).encode()).hexdigest()[:16]
        return AgentSnapshot(
            agent_id, config.value, WorkspacePaths(Path("/nowhere")), profile, ModelSlotConfig(), digest
        )

    @asynccontextmanager
    async def open(self, snapshot: AgentSnapshot) -> AsyncIterator[FakeRunner]:
        """As ``Generations.open``."""
        config = self.configs[snapshot.agent_id]
        value = snapshot.profile.running.max_iters - 1
        name = f"{snapshot.agent_id}:{value}"
        self.opened[name] += 1
        self.built_values.append(value)
        runner = FakeRunner(self, name)
        try:
            await asyncio.sleep(config.build_s)
            if config.build_error:
                raise RuntimeError(config.build_error)
            yield runner
        finally:
            runner.is_open = False
            self.closed[name] += 1

    def manager(self, **settings: float) -> MultiAgentManager:
        """A real manager over this world."""
        return MultiAgentManager(
            read_snapshot=self.read,
            open_resources=self.open,
            changed_fields=lambda old, new: [] if old.digest == new.digest else ["value"],
            settings=SlotSettings(**settings),
        )


class FakeRunner:
    """Runs the world's script, and notices when it is used after its workspace closed."""

    def __init__(self, world: FakeWorld, name: str) -> None:
        self._world = world
        self.name = name
        self.is_open = True

    async def run(self, turn: Turn, emit: EventSink) -> None:
        if not self.is_open:
            raise AssertionError(f"{self.name} was used after it was closed")
        if self._world.script is not None:
            await self._world.script(turn, emit)
