"""One channel, connected and kept so by one task that opens, serves and closes it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from enum import StrEnum

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.channels.base import BaseChannel
from copaw.app.ingress.settings import IngressSettings
from copaw.app.ingress.wanted import ChannelSpec

logger = logging.getLogger(__name__)


class ChannelState(StrEnum):
    """How far a channel has come.

    ``waiting``: something that it alone may hold is still held by another. ``retrying``: the last attempt failed.
    """

    OFF = "off"
    WAITING = "waiting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETRYING = "retrying"
    STOPPING = "stopping"
    UNUSABLE = "unusable"


class Connection:
    """Keeps one channel connected, until it is stopped.

    :param make: makes the channel; called for every attempt.
    :param resources: what only one channel of the process may hold.
    :param on_change: called when the state has changed.
    """

    def __init__(
        self,
        name: str,
        spec: ChannelSpec,
        make: Callable[[ChannelSpec], BaseChannel],
        resources: KeyedLocks,
        settings: IngressSettings,
        on_change: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.state = ChannelState.CONNECTING
        self.since = time.time()
        self.error: str | None = None
        self.connects = 0
        self.channel: BaseChannel | None = None
        self.attempted = asyncio.Event()
        self.stopping = False
        self._name = name
        self._make = make
        self._resources = resources
        self._settings = settings
        self._on_change = on_change
        self._task = asyncio.create_task(self._run(), name=name)

    @property
    def open_channel(self) -> BaseChannel | None:
        """The channel, while it may send."""
        return self.channel if self.state is ChannelState.CONNECTED else None

    def stop(self) -> None:
        """Ask the channel to disconnect. Harmless when repeated."""
        if not self.stopping:
            self.stopping = True
            self._set(ChannelState.STOPPING)
            self._task.cancel()

    async def wait_stopped(self, timeout_s: float) -> bool:
        """Wait for the end of the task. ``False`` if it did not come in time."""
        done, _ = await asyncio.wait([self._task], timeout=timeout_s)
        return bool(done)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when everything is closed."""
        self._task.add_done_callback(lambda _task: callback())

    def _set(self, state: ChannelState) -> None:
        if self.stopping and state is not ChannelState.STOPPING:
            return
        self.state, self.since = state, time.time()
        self._on_change()

    # -- the owner task --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        delay_s = self._settings.backoff_s
        while True:
            began = asyncio.get_running_loop().time()
            connects = self.connects
            error = await self._attempt()
            if self.stopping:
                # It unwound in its own way instead of letting the cancellation through.
                return
            if self.connects > connects and asyncio.get_running_loop().time() - began > delay_s:
                delay_s = self._settings.backoff_s
            self.error = error
            self.attempted.set()
            self._set(ChannelState.RETRYING)
            logger.warning("%s: %s; next attempt in %g s", self._name, error, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, self._settings.backoff_max_s)

    async def _attempt(self) -> str:
        """Connect and serve until it ends; the answer says why it did."""
        try:
            async with AsyncExitStack() as held:
                for resource in sorted(self.spec.exclusive):
                    if self._resources.locked(resource):
                        self.error = f"{resource} is held by another channel"
                        self._set(ChannelState.WAITING)
                        self.attempted.set()
                    await held.enter_async_context(self._resources.hold(resource, self))
                return await self._serve()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.stopping or (task is not None and task.cancelling()):
                raise
            return "the channel was cancelled from within"
        except Exception as error:  # supervisor of one channel: it is made anew
            logger.debug("%s", self._name, exc_info=error)
            return f"{type(error).__name__}: {error}"
        finally:
            self.channel = None

    async def _serve(self) -> str:
        self._set(ChannelState.CONNECTING)
        limit_s = self._settings.start_timeout_s
        limit = asyncio.timeout(limit_s)

        def ready() -> None:
            limit.reschedule(None)
            self.connects += 1
            self.error = None
            self.attempted.set()
            self._set(ChannelState.CONNECTED)

        self.channel = self._make(self.spec)
        try:
            async with limit:
                await self.channel.run(ready)
        except TimeoutError:
            if not limit.expired():
                raise
            return f"it did not connect within {limit_s:g} s"
        return "the channel ended of its own accord"
