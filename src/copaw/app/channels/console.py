"""The web console as a channel: what is sent to it waits there as a notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import Target, text_of
from copaw.config.models import BaseChannelConfig, ConsoleConfig
from copaw.ports import Json


class ConsoleChannel(BaseChannel):
    """Has no transport of its own: people write to it over HTTP, and it is always connected."""

    channel: ClassVar[str] = "console"
    config_model: ClassVar[type[BaseChannelConfig]] = ConsoleConfig

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.Event().wait()

    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        self.context.notify(target.session_id, text_of(parts))
