"""Agents with real slots, leases and schedules, on virtual time: nothing is read or written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.crons.actions import Actions
from copaw.app.crons.clock import LoopClock
from copaw.app.crons.cron_expression import parse_cron
from copaw.app.crons.models import CronJobSpec, CronJobState
from copaw.app.crons.service import AgentCrons, Crons, Stores
from copaw.app.crons.state import MemoryStateStore
from copaw.app.crons.store import Job, MemoryJobStore
from copaw.app.crons.triggers import Trigger
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.settings import SlotSettings
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.chats import ChatBook, ChatSpec
from copaw.config.models import HeartbeatConfig
from copaw.config.models.run_state import LastDispatchConfig
from copaw.errors import Unavailable
from copaw.ports import EventSink, Turn
from copaw.testing.fake_agents import FakeWorld

EPOCH = 1_800_000_000.0
NOWHERE = Path("/nowhere")


class _Chats(ChatBooks):
    """Chat lists that are never written."""

    async def of(self, agent_id: str) -> ChatBook:
        return _Chat(NOWHERE)


class _Chat(ChatBook):
    def ensure(self, session_id: str, user_id: str, channel: str, text: str) -> ChatSpec:
        return ChatSpec(session_id=session_id, user_id=user_id, channel=channel)


@dataclass
class Agent:
    """The agent ``a``, over restarts of its server.

    :param turns: when each turn began, in seconds since the start.
    :param sent: channel, user, session and text of what was sent.
    """

    world: FakeWorld = field(default_factory=FakeWorld)
    jobs: MemoryJobStore = field(default_factory=MemoryJobStore)
    states: MemoryStateStore = field(default_factory=MemoryStateStore)
    clock: LoopClock = field(default_factory=lambda: LoopClock(EPOCH))
    config: HeartbeatConfig = field(default_factory=HeartbeatConfig)
    last: LastDispatchConfig | None = None
    prompt: str = "- look at the mail"
    turns: list[float] = field(default_factory=list)
    generations: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    sent: list[tuple[str, str, str, str]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    play: Callable[[Turn, EventSink], Awaitable[None]] | None = None
    offline: bool = False
    manager: MultiAgentManager = field(init=False)
    crons: Crons = field(init=False)

    def __post_init__(self) -> None:
        self.world.configure("a", settle_s=0.01)
        self.world.script = self._turn

    # -- what a schedule knows of its agent ------------------------------------------------------------------

    def heartbeat(self) -> HeartbeatConfig:
        return self.config

    def timezone(self) -> str:
        return "UTC"

    def last_dispatch(self) -> LastDispatchConfig | None:
        return self.last

    async def heartbeat_prompt(self) -> str:
        return self.prompt

    # -- its server ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self.manager = MultiAgentManager(
            read_snapshot=self.world.read,
            open_resources=self.world.open,
            changed_fields=self.world.changed,
            settings=SlotSettings(),
            make_ingress=lambda agent_id: self.crons.of(agent_id),
        )
        runner = DynamicMultiAgentRunner(self.manager, KeyedLocks(), _Chats(lambda _agent_id: NOWHERE))

        async def send(channel: str, user_id: str, session_id: str, text: str) -> None:
            if self.offline:
                raise Unavailable(f"Channel '{channel}' is not connected.")
            self.sent.append((channel, user_id, session_id, text))

        actions = Actions(
            lambda request, kind: runner.start(request, "a", kind=kind, wait_for_session=True),
            send,
            lambda session_id, text: self.notices.append((session_id, text)),
            self.clock,
        )
        self.crons = Crons(
            lambda agent_id: AgentCrons(
                agent_id,
                open_stores=lambda: Stores(NOWHERE, self.jobs, self.states),
                actions=actions,
                surroundings=self,
                clock=self.clock,
            )
        )
        await self.manager.start_agent("a")

    async def stop(self, grace_s: float = 5.0) -> None:
        await self.manager.stop_all(grace_s)
        await self.crons.aclose()

    async def reload(self) -> None:
        self.world.configure("a", value=self.world.configs["a"].value + 1)
        await self.manager.reload_agent("a")

    @property
    def schedule(self) -> AgentCrons:
        return self.crons.of("a")

    async def put(self, trigger: Trigger | None = None, **fields: Any) -> None:
        """Add or replace the job ``j``, every minute unless said otherwise."""
        spec = job_spec(**fields)
        job = Job(spec, trigger or parse_cron(spec.schedule.cron, spec.schedule.timezone))

        def change(jobs: dict[str, Job]) -> None:
            jobs[spec.id] = job

        await self.jobs.change(change)

    async def state(self) -> CronJobState:
        return (await self.schedule.view("j")).state

    # -- its turns -------------------------------------------------------------------------------------------

    async def _turn(self, turn: Turn, emit: EventSink) -> None:
        self.turns.append(self.clock.time() - EPOCH)
        leases = [lease for workspace in self.manager.slot("a").generations() for lease in workspace.leases]
        self.kinds += [lease.kind for lease in leases if lease.labels["session_id"] == turn.session_id][-1:]
        try:
            if self.play is not None:
                await self.play(turn, emit)
        except asyncio.CancelledError:
            emit({"object": "response", "status": "failed", "error": {"code": "AGENT_ERROR", "message": "ended"}})
            raise
        emit({"object": "response", "status": "completed", "error": None, "output": []})


def job_spec(**fields: Any) -> CronJobSpec:
    """A job that asks the agent every minute."""
    return CronJobSpec.model_validate(
        {
            "id": "j",
            "name": "Job",
            "schedule": {"cron": "* * * * *"},
            "request": {"input": "go"},
            "dispatch": {"channel": "memory", "target": {"user_id": "u", "session_id": "s"}},
            **fields,
        }
    )


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def say() -> Callable[..., None]:
    """Emit one completed message."""

    def emit_message(emit: EventSink, text: str, kind: str = "message") -> None:
        content = [{"type": "text", "text": text}]
        emit({"object": "message", "status": "completed", "type": kind, "content": content})

    return emit_message
