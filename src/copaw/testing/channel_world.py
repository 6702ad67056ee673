"""An agent with real channels, queues, leases and reloads, whose turns only echo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.channels.base import BaseChannel
from copaw.app.channels.registry import ChannelRegistry
from copaw.app.commands.registry import CommandRegistry
from copaw.app.commands.service import ChatCommands
from copaw.app.commands.session_commands import SessionCommands
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.ingress.manager import AgentIngress, Ingresses
from copaw.app.ingress.settings import IngressSettings
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.push_messages import PushMessages
from copaw.app.runner.request import AgentRequest
from copaw.app.runner.task_tracker import Run
from copaw.config.models import ChannelConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import EndReason
from copaw.ports import EventSink, Json, Turn
from copaw.testing.fake_agents import FakeWorld

QUICK = IngressSettings(backoff_s=0.01, backoff_max_s=0.05, send_retry_s=0.01, stop_timeout_s=5.0)
"""For tests on the real clock."""


class WatchedIngress(AgentIngress):
    """An ingress that can be waited for: a slot moves it after it has told the outcome."""

    _news: asyncio.Event | None = None
    _snapshot: AgentSnapshot | None = None

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        await super().apply(snapshot)
        self._snapshot = snapshot
        if self._news is not None:
            self._news.set()

    async def wait_applied(self, snapshot: AgentSnapshot | None) -> None:
        """Wait until ``snapshot`` is what was applied last."""
        while self._snapshot is not snapshot:
            self._news = asyncio.Event()
            await self._news.wait()


class ChannelWorld:
    """Agents over :class:`FakeWorld`, each with an :class:`AgentIngress`.

    :param handled: the texts that reached a turn, in order.
    :param gate: cleared, turns wait before they answer.
    """

    def __init__(self, directory: Path, *channels: type[BaseChannel], settings: IngressSettings = QUICK) -> None:
        self.fake = FakeWorld(script=self._turn)
        self.registry = ChannelRegistry()
        for channel in channels:
            self.registry.add(channel)
        self.push = PushMessages()
        self.handled: list[str] = []
        self.dispatches: list[tuple[str, str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._sections: dict[str, Json] = {}
        self._settings = settings
        self._resources = KeyedLocks()
        self.ingresses = Ingresses(self._make)
        self.manager = MultiAgentManager(
            read_snapshot=self._read,
            open_resources=self.fake.open,
            make_ingress=self.ingresses.make,
        )
        chats = ChatBooks(lambda agent_id: directory / f"{agent_id}.chats.json")
        self.chats = chats
        locks, registry = KeyedLocks(), CommandRegistry()
        registry.add(*SessionCommands(self.manager, locks).commands())
        self.commands = ChatCommands(self.manager, chats, locks, registry)
        self.runner = DynamicMultiAgentRunner(self.manager, locks, chats, self.commands)

    def configure(self, agent_id: str = "a", **sections: Json) -> None:
        """Change an agent; its channels become ``sections``, all switched on, or stay if none are given."""
        value = self.fake.configs[agent_id].value + 1 if agent_id in self.fake.configs else 0
        self.fake.configure(agent_id, value=value)
        if sections:
            on = {key: {"enabled": True, **section} for key, section in sections.items()}
            self._sections[agent_id] = {"console": {"enabled": False}, **on}

    async def _read(self, agent_id: str) -> AgentSnapshot:
        snapshot = await self.fake.read(agent_id)
        channels = ChannelConfig.model_validate(self._sections.get(agent_id, {"console": {"enabled": False}}))
        running = snapshot.profile.running.model_copy(update={"reload_settle_seconds": 0.0})
        return replace(snapshot, profile=snapshot.profile.model_copy(update={"channels": channels, "running": running}))

    def _make(self, agent_id: str) -> WatchedIngress:
        def start(request: AgentRequest) -> Awaitable[Run]:
            return self.runner.start(request, agent_id, kind="channel", wait_for_session=True)

        async def record(channel: str, user_id: str, session_id: str) -> None:
            self.dispatches.append((channel, user_id, session_id))

        return WatchedIngress(
            agent_id,
            registry=self.registry,
            start=start,
            record=record,
            notify=self.push.add,
            resources=self._resources,
            is_command=self.commands.takes,
            settings=self._settings,
        )

    async def _turn(self, turn: Turn, emit: EventSink) -> None:
        text = "".join(item.get("text") or "" for item in turn.input[-1]["content"])
        self.handled.append(text)
        stream = ResponseStream(emit, turn.response_id, turn.session_id, turn.created_at)
        stream.begin()
        await self.gate.wait()
        message = stream.open_message("message", "assistant")
        message.text(f"echo {text}")
        message.complete()
        stream.complete()

    def ingress(self, agent_id: str = "a") -> AgentIngress:
        return self.ingresses.of(agent_id)

    async def start(self, agent_id: str = "a") -> AgentIngress:
        """Start an agent, and wait until its channels have been tried."""
        await self.manager.start_agent(agent_id)
        return await self._applied(agent_id)

    async def reload(self, agent_id: str = "a", **sections: Json) -> ReloadOutcome:
        """Change an agent and wait until the change is in force; not for its channels."""
        self.configure(agent_id, **sections)
        return await self.manager.reload_agent(agent_id)

    async def stop(self, agent_id: str = "a", reason: EndReason = EndReason.AGENT_DISABLED) -> AgentIngress:
        await self.manager.stop_agent(agent_id, reason)
        return await self._applied(agent_id)

    async def reconnected(self, agent_id: str = "a", **sections: Json) -> AgentIngress:
        """:meth:`reload`, and wait until the channels follow."""
        await self.reload(agent_id, **sections)
        return await self._applied(agent_id)

    async def _applied(self, agent_id: str) -> AgentIngress:
        ingress, current = self.ingress(agent_id), self.manager.slot(agent_id).current
        assert isinstance(ingress, WatchedIngress)
        await ingress.wait_applied(current.snapshot if current is not None else None)
        await ingress.wait_settled()
        return ingress

    async def aclose(self, grace_s: float = 0.0) -> None:
        """The end of the server."""
        await self.manager.stop_all(grace_s)
        await self.chats.flush()
