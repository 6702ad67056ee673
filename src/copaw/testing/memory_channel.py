"""A channel without a transport, whose every fault can be ordered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from copaw.app.channels.base import BaseChannel, ChannelContext
from copaw.app.channels.message import InboundMessage, Received, Target, text_of
from copaw.config.models import BaseChannelConfig
from copaw.ports import Json


class MemoryConfig(BaseChannelConfig):
    """:param holds: the exclusive resource, empty for none. :param value: only makes a difference."""

    enabled: bool = True
    value: int = 0
    holds: str = ""


@dataclass
class MemoryHub:
    """The outside world of memory channels.

    :param connect_s: seconds that connecting takes; infinity hangs.
    :param close_s: seconds that disconnecting takes.
    :param refuse: connecting fails with this sentence.
    :param broken_sends: so many sends fail.
    :param send_s: seconds that sending takes.
    :param stubborn: channels do not end when asked to.
    """

    connect_s: float = 0.0
    close_s: float = 0.0
    refuse: str = ""
    broken_sends: int = 0
    send_s: float = 0.0
    stubborn: bool = False
    made: int = 0
    live: list[MemoryChannel] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    most_live: int = 0

    def kind(self, key: str = "memory") -> type[BaseChannel]:
        """The class of a channel that belongs to this hub."""
        return type("Memory", (MemoryChannel,), {"channel": key, "hub": self})

    async def say(self, message_id: str, text: str, *, session_id: str = "s", **fields: Any) -> Received:
        """A message through the newest channel that is connected."""
        user_id = fields.pop("user_id", "u")
        return await self.live[-1].receive(InboundMessage.of_text(message_id, session_id, user_id, text, **fields))

    @property
    def texts(self) -> list[str]:
        """What was sent, in order."""
        return [text for _session, text in self.sent]


class MemoryChannel(BaseChannel):
    """Does what its hub says."""

    config_model: ClassVar[type[BaseChannelConfig]] = MemoryConfig
    hub: ClassVar[MemoryHub]

    def __init__(self, config: MemoryConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self.value = config.value
        self.crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hub.made += 1

    @classmethod
    def exclusive_resources(cls, config: Any) -> frozenset[str]:
        return frozenset({config.holds} if config.holds else ())

    async def run(self, ready: Callable[[], None]) -> None:
        hub = self.hub
        await asyncio.sleep(hub.connect_s)
        if hub.refuse:
            raise ConnectionRefusedError(hub.refuse)
        hub.live.append(self)
        hub.most_live = max(hub.most_live, len(hub.live))
        hub.history.append(f"open {self.value}")
        try:
            ready()
            await self._serve()
        finally:
            await asyncio.sleep(hub.close_s)
            hub.live.remove(self)
            hub.history.append(f"close {self.value}")

    async def _serve(self) -> None:
        while True:
            try:
                await asyncio.shield(self.crash)
            except asyncio.CancelledError:
                if not self.hub.stubborn:
                    raise

    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        await asyncio.sleep(self.hub.send_s)
        if self.hub.broken_sends:
            self.hub.broken_sends -= 1
            raise ConnectionError("the line is broken")
        self.hub.sent.append((target.session_id, text_of(parts)))
