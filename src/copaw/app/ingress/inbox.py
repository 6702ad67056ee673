"""From a message that came in to the run that answers it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from copaw.aiokits.tasks import TaskOwner
from copaw.app.channels.access import Verdict, judge
from copaw.app.channels.message import InboundMessage, Received
from copaw.app.ingress.dedup import SeenIds
from copaw.app.ingress.outbox import Key, Outbox
from copaw.app.ingress.queues import KeyedQueues
from copaw.app.ingress.render import notice
from copaw.app.ingress.settings import IngressSettings
from copaw.app.runner.request import AgentRequest, parse_request
from copaw.app.runner.task_tracker import Run
from copaw.config.models import BaseChannelConfig
from copaw.errors import CopawError, EndReason, ServerClosing
from copaw.ports import Json

logger = logging.getLogger(__name__)

StartRun = Callable[[AgentRequest], Awaitable[Run]]
"""Starts a run on the generation that serves, behind whatever its session does. Raises ``CopawError``."""

RecordDispatch = Callable[[str, str, str], Awaitable[None]]
"""Remembers the channel, user and session that an agent last heard from. Raises ``OSError``."""

FULL = "Too many messages are waiting here. This one was not taken; send it again later."
FAULT = "Something went wrong here and this message was not answered. The server's log says more."


class Inbox:
    """The messages of one agent: each handled once, those of a session one after the other.

    :param is_command: whether the content of a message is a command, which waits behind nothing.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        start: StartRun,
        record: RecordDispatch,
        outbox: Outbox,
        is_command: Callable[[Sequence[Json]], bool],
        settings: IngressSettings,
    ) -> None:
        self.closed = False
        self._agent_id = agent_id
        self._start = start
        self._record = record
        self._outbox = outbox
        self._is_command = is_command
        self._seen = SeenIds(settings.dedup_size, settings.dedup_s)
        self._at_once = TaskOwner(f"commands:{agent_id}")
        self._queues: KeyedQueues[Key, InboundMessage] = KeyedQueues(
            f"inbox:{agent_id}", self._handle, max_queued=settings.max_queued, max_total=settings.max_queued_total
        )

    def receive(self, channel: str, config: BaseChannelConfig, message: InboundMessage) -> Received:
        """Take a message in. A plain function, so that nothing can be cancelled half-way."""
        if self.closed:
            return Received.CLOSED
        if message.id and not self._seen.add((channel, message.id)):
            return Received.DUPLICATE
        match judge(config, message):
            case Verdict.IGNORE:
                return Received.IGNORED
            case Verdict.DENY:
                if config.deny_message:
                    self._reply(channel, message, config.deny_message)
                return Received.DENIED
            case Verdict.ADMIT:
                return self._admit(channel, message)

    def _admit(self, channel: str, message: InboundMessage) -> Received:
        if self._is_command(message.content):
            self._at_once.spawn(self._answer((channel, message.session_id), message), message.session_id)
            return Received.QUEUED
        if self._queues.put((channel, message.session_id), message):
            return Received.QUEUED
        self._reply(channel, message, FULL)
        return Received.FULL

    def waiting(self, channel: str) -> int:
        """How many messages of a channel wait, besides those being handled."""
        return self._queues.waiting(lambda key: key[0] == channel)

    def _reply(self, channel: str, message: InboundMessage, text: str) -> None:
        self._outbox.put(channel, message.target, notice(text))

    # -- the work --------------------------------------------------------------------------------------------

    async def _handle(self, key: Key, message: InboundMessage) -> None:
        await self._remember(key[0], message)
        await self._answer(key, message)

    async def _answer(self, key: Key, message: InboundMessage) -> None:
        try:
            run = await self._start(_request(key[0], message))
            await self._follow(key[0], message, run)
        except CopawError as error:
            self._reply(key[0], message, error.message)
        except Exception:
            self._reply(key[0], message, FAULT)
            raise

    async def _remember(self, channel: str, message: InboundMessage) -> None:
        try:
            await self._record(channel, message.user_id, message.session_id)
        except OSError as error:
            logger.warning("agent %s: the last address could not be written: %s", self._agent_id, error)

    async def _follow(self, channel: str, message: InboundMessage, run: Run) -> None:
        async with aclosing(run.follow()) as events:
            async for event in events:
                payload = event.payload
                if payload["object"] == "message" and payload["status"] == "completed":
                    self._outbox.put(channel, message.target, payload)
                elif event.terminal and payload["error"] and run.end_reason != EndReason.USER_STOP:
                    self._reply(channel, message, payload["error"]["message"])

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take nothing more in. Whoever waits still is told; what runs goes on."""
        self.closed = True
        for (channel, _session_id), messages in self._queues.drop().items():
            for message in messages:
                self._reply(channel, message, ServerClosing().message)

    async def wait_idle(self, timeout_s: float) -> None:
        """Wait for what is being handled, at most ``timeout_s`` seconds."""
        if not await self._queues.wait_idle(timeout_s):
            logger.warning("agent %s: runs of %d sessions are not answered", self._agent_id, len(self._queues))

    async def aclose(self) -> None:
        """Stop following. Runs go on; they belong to their generation."""
        self.close()
        await self._queues.aclose()
        await self._at_once.aclose()


def _request(channel: str, message: InboundMessage) -> AgentRequest:
    return parse_request(
        {
            "input": [{"role": "user", "type": "message", "content": list(message.content)}],
            "session_id": message.session_id,
            "user_id": message.user_id,
            "channel": channel,
        }
    )
