"""Schedules over the configuration of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from copaw.app.crons.actions import Actions
from copaw.app.crons.clock import SystemClock
from copaw.app.crons.heartbeat import read_prompt
from copaw.app.crons.service import AgentCrons, Crons, Stores
from copaw.app.crons.state import STATE_NAME, FileStateStore
from copaw.app.crons.store import FileJobStore
from copaw.app.runner.request import AgentRequest
from copaw.app.runner.task_tracker import Run
from copaw.config.models import HeartbeatConfig
from copaw.config.models.run_state import LastDispatchConfig
from copaw.config.store import ConfigStore
from copaw.paths import WorkspacePaths
from copaw.ports import Clock

CONSOLE = "console"


def heartbeat_of(config: ConfigStore, agent_id: str) -> HeartbeatConfig:
    """How an agent wakes up: its own section, else the one for all agents, else the defaults."""
    own = config.agent(agent_id).heartbeat
    if own is not None:
        return own
    defaults = config.root.agents.defaults
    return (defaults.heartbeat if defaults is not None else None) or HeartbeatConfig()


@dataclass(frozen=True, slots=True)
class ConfiguredAgent:
    """An agent as the configuration has it. Implements :class:`copaw.app.crons.actions.AgentSurroundings`."""

    agent_id: str
    config: ConfigStore

    def heartbeat(self) -> HeartbeatConfig:
        return heartbeat_of(self.config, self.agent_id)

    def timezone(self) -> str:
        return self.config.root.user_timezone

    def last_dispatch(self) -> LastDispatchConfig | None:
        return self.config.last_dispatch(self.agent_id)

    async def heartbeat_prompt(self) -> str:
        file = self.config.workspace_dir(self.agent_id) / self.config.paths.heartbeat_name
        return await asyncio.to_thread(read_prompt, file)


def make_crons(
    config: ConfigStore,
    *,
    files: Callable[[str], WorkspacePaths],
    start: Callable[[AgentRequest, str, str], Awaitable[Run]],
    send: Callable[[str, str, str, str, str], Awaitable[None]],
    notify: Callable[[str, str], None],
    clock: Clock | None = None,
) -> Crons:
    """The schedules of all agents.

    :param files: of an agent.
    :param start: starts a request's run, of a lease kind, on an agent, behind whatever its session does.
    :param send: sends, for an agent, through a channel to a user's session, a text.
    :param notify: leaves a text for a session in the web console.
    """
    time = clock or SystemClock()

    def make(agent_id: str) -> AgentCrons:
        async def send_to(channel: str, user_id: str, session_id: str, text: str) -> None:
            if channel == CONSOLE:
                notify(session_id, text)
            else:
                await send(agent_id, channel, user_id, session_id, text)

        return AgentCrons(
            agent_id,
            open_stores=lambda: _stores(files(agent_id)),
            actions=Actions(lambda request, kind: start(request, agent_id, kind), send_to, notify, time),
            surroundings=ConfiguredAgent(agent_id, config),
            clock=time,
        )

    return Crons(make)


def _stores(files: WorkspacePaths) -> Stores:
    return Stores(files.root, FileJobStore(files.jobs_file), FileStateStore(files.root / STATE_NAME))
