"""Which channels there are: those that come with copaw, and the custom ones."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.custom import CUSTOM_DIR_NAME, CustomChannels
from copaw.errors import Conflict, NotFound
from copaw.paths import Paths

logger = logging.getLogger(__name__)

BUILTIN: Mapping[str, str] = {"console": "copaw.app.channels.console:ConsoleChannel"}
"""Key -> where its class is. Loaded when it is first wanted, because most transports need a library of their own."""


@cache
def builtin_channel(key: str) -> type[BaseChannel]:
    """The class of a built-in channel.

    :raises KeyError: there is none.
    :raises ImportError: it needs a library that is not installed.
    """
    module, _, name = BUILTIN[key].partition(":")
    found: type[BaseChannel] = vars(importlib.import_module(module))[name]
    return found


def clear_builtin_channel_cache() -> None:
    """Forget which class a built-in key means; the next look-up finds it anew. What is connected stays so."""
    builtin_channel.cache_clear()


@dataclass(frozen=True, slots=True)
class ChannelType:
    """One kind of channel.

    :param version: changes when its code does; part of what tells two configurations of a channel apart.
    """

    key: str
    cls: type[BaseChannel]
    version: str = ""


class ChannelRegistry:
    """Channels by key.

    :param custom: where the operator's own come from; ``None`` for none.
    :param only: the keys that may be used (``COPAW_ENABLED_CHANNELS``); ``None`` for all.
    :param without: the keys that may not (``COPAW_DISABLED_CHANNELS``).
    """

    def __init__(
        self,
        custom: CustomChannels | None = None,
        *,
        only: frozenset[str] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self._custom = custom
        self._only = only
        self._without = without
        self._added: dict[str, ChannelType] = {}
        self._from_files: dict[str, ChannelType] = {}
        self._scanning = asyncio.Lock()
        self.problems: list[str] = []

    @classmethod
    def from_environment(cls, paths: Paths, environ: Mapping[str, str] | None = None) -> ChannelRegistry:
        """The built-in channels and the files of ``custom_channels/``."""
        env = os.environ if environ is None else environ
        enabled = _keys(env.get("COPAW_ENABLED_CHANNELS", ""))
        return cls(
            CustomChannels(paths.working_dir / CUSTOM_DIR_NAME),
            only=enabled or None,
            without=_keys(env.get("COPAW_DISABLED_CHANNELS", "")),
        )

    def add(self, channel: type[BaseChannel]) -> None:
        """Add a channel.

        :raises Conflict: its key is taken.
        """
        self._check_free(channel.channel)
        self._added[channel.channel] = ChannelType(channel.channel, channel)

    def _check_free(self, key: str) -> None:
        if key in BUILTIN or key in self._added or key in self._from_files:
            raise Conflict(f"There is already a channel '{key}'; give yours another 'channel' key.")

    def allows(self, key: str) -> bool:
        """Whether the environment lets this channel be used."""
        return key not in self._without and (self._only is None or key in self._only)

    def known(self) -> list[str]:
        """Every key, sorted."""
        return sorted({*BUILTIN, *self._added, *self._from_files})

    def get(self, key: str) -> ChannelType:
        """The channel of this key.

        :raises NotFound: there is none; the message lists those there are.
        :raises ImportError: it needs a library that is not installed.
        """
        found = self._added.get(key) or self._from_files.get(key)
        if found is not None:
            return found
        if key not in BUILTIN:
            raise NotFound(f"There is no channel '{key}' in this version. Known channels: {', '.join(self.known())}.")
        return ChannelType(key, builtin_channel(key))

    async def refresh(self) -> None:
        """Take over what changed in ``custom_channels/``. A file that cannot be used is a problem, not an error."""
        if self._custom is None:
            return
        async with self._scanning:
            try:
                changed = await asyncio.to_thread(self._custom.scan)
            except OSError as error:
                logger.error("custom channels: %s; what was loaded before stays", error)
                return
            if changed:
                self._take_over(self._custom)

    def _take_over(self, custom: CustomChannels) -> None:
        self._from_files = {}
        self.problems = [file.problem for file in custom.files.values() if file.problem]
        for path, file in custom.files.items():
            for channel in file.channels:
                try:
                    self._check_free(channel.channel)
                except Conflict as error:
                    self.problems.append(f"{path}: {error.message}")
                else:
                    self._from_files[channel.channel] = ChannelType(channel.channel, channel, file.stamp)
        for problem in self.problems:
            logger.error("custom channel: %s", problem)


def _keys(value: str) -> frozenset[str]:
    return frozenset(key.strip() for key in value.split(",") if key.strip())
