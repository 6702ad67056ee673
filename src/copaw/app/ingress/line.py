"""What becomes of one channel key over all changes of its configuration.

Callers only say what they want; one task brings it about, in order, and is gone when nothing is connected. A channel
that hangs or fails holds up neither its agent's reloads nor other channels.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.channels.base import BaseChannel
from copaw.app.ingress.connection import ChannelState, Connection
from copaw.app.ingress.settings import IngressSettings
from copaw.app.ingress.wanted import ChannelSpec, Unusable, Wanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LineStatus:
    """What can be seen of a channel.

    :param since: seconds since the epoch at which it came into this state; 0 if it never was in another.
    :param connects: how often the present configuration has connected.
    :param error: why it is not connected, or why a newer configuration was not taken.
    """

    channel: str
    state: ChannelState
    since: float
    connects: int
    digest: str
    error: str | None


class Line:
    """One channel key of one agent.

    :param make: makes a channel for a connection.
    :param resources: shared by all channels of the process.
    """

    def __init__(
        self,
        agent_id: str,
        key: str,
        make: Callable[[ChannelSpec], BaseChannel],
        resources: KeyedLocks,
        settings: IngressSettings,
    ) -> None:
        self.key = key
        self.up = asyncio.Event()
        self._name = f"channel:{agent_id}:{key}"
        self._make = make
        self._resources = resources
        self._settings = settings
        self._wanted: Wanted | None = None
        self._why_unusable: str | None = None
        self._current: Connection | None = None
        self._next: Connection | None = None
        self._leaving: set[Connection] = set()
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None

    # -- asking ----------------------------------------------------------------------------------------------

    def want(self, wanted: Wanted | None) -> None:
        """Say what this channel is to be; ``None``: disconnected. Whatever equals what is there changes nothing."""
        if _same(self._wanted, wanted):
            return
        self._wanted = wanted
        self._changed.set()
        self._settled.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"{self._name}:line")

    async def wait_settled(self) -> None:
        """Wait until what is wanted was brought about, or was tried."""
        await self._settled.wait()

    @property
    def wanted(self) -> bool:
        """Whether it is to be connected."""
        return self._wanted is not None

    @property
    def channel(self) -> BaseChannel | None:
        """The connected channel, the newest if there are two."""
        for connection in (self._next, self._current):
            if connection is not None and connection.open_channel is not None:
                return connection.open_channel
        return None

    def status(self) -> LineStatus:
        connection = self._next or self._current
        if connection is None:
            state = ChannelState.UNUSABLE if self._why_unusable else ChannelState.OFF
            digest = self._wanted.digest if self._wanted is not None else ""
            return LineStatus(self.key, state, 0.0, 0, digest, self._why_unusable)
        return LineStatus(
            self.key,
            connection.state,
            connection.since,
            connection.connects,
            connection.spec.digest,
            self._why_unusable or connection.error,
        )

    # -- the task --------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            self._changed.clear()
            await self._bring_about(self._wanted)
            if self._changed.is_set():
                continue
            self._settled.set()
            if self._current is None:
                self._task = None  # in the step that saw there is nothing to do
                return
            await self._changed.wait()

    async def _bring_about(self, wanted: Wanted | None) -> None:
        if isinstance(wanted, Unusable):
            # As with any faulty configuration: what served before serves on.
            self._why_unusable = wanted.why
            logger.error("%s: %s", self._name, wanted.why)
            return
        self._why_unusable = None
        current = self._current
        if wanted is None:
            await self._stop_current()
        elif current is None:
            self._current = await self._started(wanted)
        elif current.spec.digest != wanted.digest:
            await self._replace(current, wanted)

    async def _replace(self, current: Connection, wanted: ChannelSpec) -> None:
        if current.spec.exclusive or wanted.exclusive:
            await self._stop_current()
            if not self._changed.is_set():
                # Disconnecting may have taken a while; only the newest wish is worth connecting.
                self._current = await self._started(wanted)
            return
        self._next = successor = self._connect(wanted)
        await self._attempted(successor)
        if not successor.attempted.is_set():
            # Something newer is wanted already; until that is connected, what serves serves on.
            await self._stop(successor)
        else:
            await self._stop_current()
            self._current = successor
        self._next = None

    async def _started(self, spec: ChannelSpec) -> Connection:
        self._current = self._connect(spec)
        await self._attempted(self._current)
        return self._current

    def _connect(self, spec: ChannelSpec) -> Connection:
        return Connection(self._name, spec, self._make, self._resources, self._settings, self._refresh)

    async def _attempted(self, connection: Connection) -> None:
        """Wait until it is connected, or has failed once, or something else is wanted."""
        waits = [asyncio.ensure_future(event.wait()) for event in (connection.attempted, self._changed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _stop_current(self) -> None:
        if self._current is not None:
            await self._stop(self._current)
            self._current = None
        self._refresh()

    async def _stop(self, connection: Connection) -> None:
        self._leaving.add(connection)
        connection.on_end(lambda: self._leaving.discard(connection))
        connection.stop()
        if not await connection.wait_stopped(self._settings.stop_timeout_s):
            # What it holds alone it still holds: a successor waits for that, and says so.
            logger.error("%s did not disconnect within %g s", self._name, self._settings.stop_timeout_s)

    def _refresh(self) -> None:
        if self.channel is not None:
            self.up.set()
        else:
            self.up.clear()

    async def aclose(self) -> None:
        """Disconnect, within the bounds."""
        self.want(None)
        if self._task is not None:
            await asyncio.wait([self._task])


def _same(one: Wanted | None, other: Wanted | None) -> bool:
    if one is None or other is None:
        return one is other
    return type(one) is type(other) and one.digest == other.digest
