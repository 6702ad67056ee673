"""Answers on their way out. One whose channel is away waits for it, in order, and not for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import Target
from copaw.app.ingress.line import Line
from copaw.app.ingress.queues import KeyedQueues
from copaw.app.ingress.render import render
from copaw.app.ingress.settings import IngressSettings
from copaw.ports import Json

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""A channel and a session."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message of an agent, and until when (the loop's time) it is worth sending.

    :param sent: answered when it was sent, or is given up.
    """

    target: Target
    message: Json
    deadline: float
    sent: asyncio.Future[bool] | None = None

    def end(self, sent: bool) -> None:
        """Say what became of it."""
        if self.sent is not None and not self.sent.done():
            self.sent.set_result(sent)


class Outbox:
    """What one agent still has to send.

    An answer is rendered when it is sent, for the channel that is connected then. It is sent at least once: one
    whose sending failed half-way comes again.

    :param line_of: the line of a channel key.
    """

    def __init__(self, agent_id: str, line_of: Callable[[str], Line], settings: IngressSettings) -> None:
        self.undelivered = 0
        self._agent_id = agent_id
        self._line_of = line_of
        self._settings = settings
        self._queues: KeyedQueues[Key, Outgoing] = KeyedQueues(
            f"outbox:{agent_id}", self._deliver, max_queued=settings.max_undelivered
        )

    def put(self, channel: str, target: Target, message: Json, sent: asyncio.Future[bool] | None = None) -> None:
        """Send a message to where ``target`` is, as soon as that can be.

        :param sent: answered when it was sent (``True``) or is given up.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.undelivered_s
        item = Outgoing(target, message, deadline, sent)
        if not self._queues.put((channel, target.session_id), item):
            self._lost(channel, target.session_id, "too many answers wait already", item)

    def waiting(self, channel: str) -> int:
        """How many answers wait for this channel, besides those being sent."""
        return self._queues.waiting(lambda key: key[0] == channel)

    def drop(self, channel: str) -> None:
        """Forget what waits for a channel that was removed."""
        for (name, session_id), items in self._queues.drop(lambda key: key[0] == channel).items():
            for item in items:
                self._lost(name, session_id, "the channel was switched off", item)

    async def _deliver(self, key: Key, item: Outgoing) -> None:
        channel, session_id = key
        why = "its channel did not come back in time"
        for _attempt in range(self._settings.send_attempts):
            connected = await self._connected(self._line_of(channel), item.deadline)
            if connected is None:
                break
            why = await self._send(connected, item)
            if not why:
                item.end(sent=True)
                return
            logger.warning("agent %s: an answer to %s could not be sent: %s", self._agent_id, channel, why)
            await asyncio.sleep(self._settings.send_retry_s)
        self._lost(channel, session_id, why, item)

    async def _connected(self, line: Line, deadline: float) -> BaseChannel | None:
        try:
            async with asyncio.timeout_at(deadline):
                while (channel := line.channel) is None:
                    await line.up.wait()
        except TimeoutError:
            return None
        return channel

    async def _send(self, channel: BaseChannel, item: Outgoing) -> str:
        """Send once; the answer is what went wrong, empty if nothing did."""
        try:
            parts = render(channel, item.message)
            if parts:
                async with asyncio.timeout(self._settings.send_timeout_s):
                    await channel.send(item.target, parts)
        except Exception as error:  # noqa: BLE001 - supervisor of foreign code: the answer comes again
            return f"{type(error).__name__}: {error}"
        return ""

    def _lost(self, channel: str, session_id: str, why: str, item: Outgoing) -> None:
        item.end(sent=False)
        self.undelivered += 1
        logger.error(
            "agent %s: an answer to session %s of channel %s was not sent: %s. It is in the session's history.",
            self._agent_id, session_id, channel, why,
        )  # fmt: skip

    async def flush(self, timeout_s: float) -> None:
        """Let leave what can, at most ``timeout_s`` seconds."""
        await self._queues.wait_idle(timeout_s, lambda key: self._line_of(key[0]).channel is not None)

    async def aclose(self) -> None:
        """Stop sending. What was not sent is reported."""
        for (channel, session_id), items in self._queues.drop().items():
            for item in items:
                self._lost(channel, session_id, "the agent was closed", item)
        await self._queues.aclose()
