"""The class that every channel extends, those in ``custom_channels/`` too (``docs/channels.md``)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from copaw.app.channels.message import InboundMessage, MessageHandler, Received, Target, text_part
from copaw.config.models import BaseChannelConfig
from copaw.ports import Json


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """Whose channel it is, and what it may call.

    :param handle: takes each message that comes in.
    :param notify: leaves a text for a session in the web console.
    :param media_dir: where files that came in may be kept.
    """

    agent_id: str
    handle: MessageHandler
    notify: Callable[[str, str], None]
    media_dir: Path


class BaseChannel(ABC):
    """One connection to one transport, for one agent. Made anew for every attempt to connect.

    :cvar channel: the key of its section in ``channels`` of ``agent.json``.
    :cvar config_model: parses that section; a subclass of ``BaseChannelConfig``.
    :cvar sends_media: images, audio, video and files can be sent. Otherwise they are sent as a line with their address.
    :cvar max_text_chars: longer texts are cut into several; ``None`` for no limit.

    :param config: the section, parsed by ``config_model``.
    """

    channel: ClassVar[str] = ""
    config_model: ClassVar[type[BaseChannelConfig]] = BaseChannelConfig
    sends_media: ClassVar[bool] = False
    max_text_chars: ClassVar[int | None] = None

    def __init__(self, config: Any, context: ChannelContext) -> None:
        self.config = config
        self.context = context
        self._loop = asyncio.get_running_loop()

    @classmethod
    def exclusive_resources(cls, config: Any) -> frozenset[str]:
        """Names of what only one connection in the world may hold: ``port:8080``, ``token:...``.

        While one is held, no other channel that names it is started; a changed channel that names any is stopped
        before its successor starts. Without any, the successor is connected first, so that no message is missed.
        """
        return frozenset()

    @abstractmethod
    async def run(self, ready: Callable[[], None]) -> None:
        """Connect, call ``ready``, and serve until cancelled; then disconnect and leave nothing behind.

        Whatever it raises, and also its return, counts as a lost connection: it is made anew after a while. All of
        it happens in one task, so that what is opened in a task is closed in it.
        """

    @abstractmethod
    async def send(self, target: Target, parts: Sequence[Json]) -> None:
        """Send content items, at least one, in their order. Called only between ``ready`` and the end of ``run``.

        What it raises makes the same parts come again after a while, a few times.
        """

    async def send_text(self, target: Target, text: str) -> None:
        """Send one text."""
        await self.send(target, [text_part(text)])

    async def receive(self, message: InboundMessage) -> Received:
        """Hand over a message that came in. Returns as soon as it is queued.

        The transport may be told that it is done with unless the answer is ``Received.CLOSED``.
        """
        return await self.context.handle(message)

    def receive_from_thread(self, message: InboundMessage) -> Received:
        """:meth:`receive` for a thread of the channel. Blocks until the message is queued.

        The thread must be joined before :meth:`run` ends, without blocking the loop: ``asyncio.to_thread(join)``.
        """
        work = self.receive(message)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
