"""The channels of one agent, over all its generations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.channels.base import BaseChannel, ChannelContext
from copaw.app.channels.message import InboundMessage, Received, Target, text_part
from copaw.app.channels.registry import ChannelRegistry
from copaw.app.ingress.inbox import Inbox, RecordDispatch, StartRun
from copaw.app.ingress.line import Line, LineStatus
from copaw.app.ingress.outbox import Outbox
from copaw.app.ingress.render import render
from copaw.app.ingress.settings import IngressSettings
from copaw.app.ingress.wanted import ChannelSpec, sections, wanted_channels
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import Conflict, NotFound, Unavailable
from copaw.ports import Json

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """What can be seen of a channel, and of the traffic through it.

    :param queued: messages that wait for their session.
    :param unsent: answers that wait for the channel.
    """

    line: LineStatus
    queued: int
    unsent: int


class AgentIngress:
    """The channels of one agent. Implements :class:`copaw.app.ingress.port.Ingress`.

    Connections, queues and the ids of messages that came in belong to the agent: a reload touches only the channels
    whose own configuration changed, and what they bring goes to whichever generation serves at that moment.

    :param start: starts a run of this agent.
    :param record: remembers where the agent last heard from somebody.
    :param notify: leaves a text for a session in the web console.
    :param resources: what only one channel may hold, shared by all agents of the process.
    :param is_command: whether the content of a message is a command, which does not wait in a queue.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        registry: ChannelRegistry,
        start: StartRun,
        record: RecordDispatch,
        notify: Callable[[str, str], None],
        resources: KeyedLocks,
        is_command: Callable[[Sequence[Json]], bool] = lambda _content: False,
        settings: IngressSettings | None = None,
    ) -> None:
        self.agent_id = agent_id
        self._registry = registry
        self._notify = notify
        self._resources = resources
        self._settings = settings or IngressSettings()
        self._lines: dict[str, Line] = {}
        self._sections: frozenset[str] = frozenset()
        self._applying = asyncio.Lock()
        self._applied = False
        self._closed = False
        self._outbox = Outbox(agent_id, self._line, self._settings)
        self._inbox = Inbox(
            agent_id, start=start, record=record, outbox=self._outbox, is_command=is_command, settings=self._settings
        )

    # -- what a slot uses ------------------------------------------------------------------------------------

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        """See :class:`copaw.app.ingress.port.Ingress`. Returns before channels are connected or disconnected."""
        async with self._applying:
            await self._registry.refresh()
            if not self._closed:
                self._want(snapshot)
            self._applied = True

    def _want(self, snapshot: AgentSnapshot | None) -> None:
        wanted = wanted_channels(snapshot, self._registry)
        for key in wanted:
            self._line(key)
        for key, line in self._lines.items():
            if snapshot is not None and line.wanted and key not in wanted:
                self._outbox.drop(key)
            line.want(wanted.get(key))
        if snapshot is not None:
            self._sections = frozenset(sections(snapshot))

    async def wait_settled(self) -> None:
        """Wait until every channel is connected or disconnected as wanted, or the first attempt at it has failed."""
        for line in list(self._lines.values()):
            await line.wait_settled()

    def refuse_new(self) -> None:
        """Take no more messages in, and tell those who wait. What runs goes on, and its answers are sent."""
        self._inbox.close()

    async def aclose(self) -> None:
        """Disconnect everything, for good: what is ready to be sent leaves first, within its bound."""
        self._closed = True
        self._inbox.close()
        await self._inbox.wait_idle(self._settings.finish_s)
        await self._inbox.aclose()
        await self._outbox.flush(self._settings.flush_s)
        closing = [asyncio.ensure_future(line.aclose()) for line in self._lines.values()]
        if closing:
            await asyncio.wait(closing)
        await self._outbox.aclose()

    # -- what channels use -----------------------------------------------------------------------------------

    def _line(self, key: str) -> Line:
        if key not in self._lines:
            self._lines[key] = Line(self.agent_id, key, self._make, self._resources, self._settings)
        return self._lines[key]

    def _make(self, spec: ChannelSpec) -> BaseChannel:
        async def handle(message: InboundMessage) -> Received:
            return self._inbox.receive(spec.key, spec.config, message)

        context = ChannelContext(self.agent_id, handle, self._notify, spec.files.media_dir)
        return spec.cls(spec.config, context)

    # -- what routers use ------------------------------------------------------------------------------------

    def status(self) -> list[ChannelStatus]:
        """Every channel that is or was wanted, by key."""
        return [
            ChannelStatus(self._lines[key].status(), self._inbox.waiting(key), self._outbox.waiting(key))
            for key in sorted(self._lines)
        ]

    async def send(self, key: str, user_id: str, session_id: str, text: str) -> None:
        """Send a text through a channel, now.

        :raises NotFound: there is no such channel.
        :raises Conflict: it is not switched on.
        :raises Unavailable: it is not connected, or it could not send.
        """
        line = self._check_wanted(key)
        channel = line.channel
        if channel is None:
            raise Unavailable(f"Channel '{key}' is not connected: {line.status().error or line.status().state}.")
        parts = render(channel, {"type": "message", "content": [text_part(text)]})
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await channel.send(Target(user_id, session_id), parts)
        except Exception as error:  # supervisor of foreign code: the caller is told
            logger.warning("agent %s: channel %s could not send: %s", self.agent_id, key, error)
            raise Unavailable(f"Channel '{key}' could not send: {type(error).__name__}: {error}") from error

    def _check_wanted(self, key: str) -> Line:
        line = self._lines.get(key)
        if not self._applied:
            raise Unavailable(f"The channels of agent '{self.agent_id}' are still being connected.")
        if line is None or not line.wanted:
            if key not in self._sections and key not in self._registry.known():
                known = ", ".join(sorted({*self._sections, *self._registry.known()}))
                raise NotFound(f"There is no channel '{key}'. Known channels: {known}.")
            raise Conflict(f"Channel '{key}' of agent '{self.agent_id}' is not switched on.")
        return line

    async def post(self, key: str, user_id: str, session_id: str, text: str) -> bool:
        """Send a text through a channel as soon as it is connected, behind what waits for that session already.

        :returns: ``False`` if it was given up, or the agent was closed before.
        :raises NotFound: there is no such channel. :raises Conflict: it is not switched on.
        """
        self._check_wanted(key)
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        message = {"type": "message", "content": [text_part(text)]}
        self._outbox.put(key, Target(user_id, session_id), message, sent)
        return await sent


class Ingresses:
    """The ingress of every agent that was started."""

    def __init__(self, make: Callable[[str], AgentIngress]) -> None:
        self._make = make
        self._ingresses: dict[str, AgentIngress] = {}

    def make(self, agent_id: str) -> AgentIngress:
        """Make an agent's ingress; once an agent."""
        ingress = self._ingresses[agent_id] = self._make(agent_id)
        return ingress

    def of(self, agent_id: str) -> AgentIngress:
        """An agent's ingress.

        :raises Unavailable: the agent was not started yet.
        """
        try:
            return self._ingresses[agent_id]
        except KeyError:
            raise Unavailable(f"Agent '{agent_id}' was not started yet.") from None
