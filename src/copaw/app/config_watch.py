"""Noticing edits of configuration files on disk.

Our own writes do not echo: the store already knows what it wrote, and reading it again changes nothing. A bad edit
is reported as a failed reload and leaves the watch armed for the next one.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from copaw.config.store import ConfigStore
from copaw.errors import AgentNotFound, ConfigFileError

logger = logging.getLogger(__name__)

SETTLE_MS = 200
"""Editors write a file in several steps; wait for so long without another one, in milliseconds."""


class ConfigWatcher:
    """Watches ``config.json`` and every agent's ``agent.json``.

    :param agent_changed: called with an agent's id when its file says something else, or cannot be used.
    :param root_changed: called when ``config.json`` says something else.
    """

    def __init__(
        self,
        config: ConfigStore,
        config_file: Path,
        *,
        agent_changed: Callable[[str], None],
        root_changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._config_file = config_file
        self._agent_changed = agent_changed
        self._root_changed = root_changed
        self._moved = asyncio.Event()
        self.armed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. The set of files follows the agents as they come and go."""
        unsubscribe = self._config.subscribe(lambda change: self._moved.set() if change.kind != "agent" else None)
        try:
            while True:
                self._moved = asyncio.Event()
                await self._watch(self._targets())
        finally:
            unsubscribe()

    def _targets(self) -> dict[Path, str | None]:
        """What to watch: each file with its agent's id, ``None`` for ``config.json``."""
        agents = {self._config.workspace_dir(agent) / "agent.json": agent for agent in self._config.agent_ids()}
        return {self._config_file: None, **agents}

    async def _watch(self, targets: dict[Path, str | None]) -> None:
        # In a thread: its import reads much more than itself.
        awatch = (await asyncio.to_thread(importlib.import_module, "watchfiles")).awatch
        directories = await asyncio.to_thread(_existing, {path.parent for path in targets})
        changes = awatch(
            *directories,
            watch_filter=lambda _kind, name: Path(name) in targets,
            debounce=SETTLE_MS,
            stop_event=self._moved,
            recursive=False,
        )
        async with aclosing(changes):
            following = asyncio.ensure_future(anext(changes, None))
            try:
                await asyncio.sleep(0)  # The first step of the generator arms it.
                self.armed.set()
                # Whatever was edited while nothing was armed would otherwise go unnoticed.
                for path, agent_id in targets.items():
                    await self._reread(path, agent_id)
                while (found := await following) is not None:
                    for path in {Path(name) for _, name in found} & targets.keys():
                        await self._reread(path, targets[path])
                    following = asyncio.ensure_future(anext(changes, None))
            finally:
                following.cancel()
                await asyncio.wait([following])

    async def _reread(self, path: Path, agent_id: str | None) -> None:
        try:
            if agent_id is None:
                if await self._config.reread_root():
                    self._root_changed()
            elif await self._config.reread_agent(agent_id):
                self._agent_changed(agent_id)
        except ConfigFileError as error:
            logger.warning("an edit was not taken over: %s", error.message)
            if agent_id is not None:
                self._agent_changed(agent_id)
        except AgentNotFound:
            logger.info("%s changed, but its agent is gone", path)


def _existing(directories: Iterable[Path]) -> list[Path]:
    return [directory for directory in directories if directory.is_dir()]
