"""Run-time state in ``<working_dir>/runtime.json``, a file that nobody watches, so that it reloads nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from copaw.aiokits.files import read_json, set_aside, write_json_atomic
from copaw.config.models.base import ConfigModel
from copaw.config.models.run_state import LastApiConfig, LastDispatchConfig
from copaw.config.shielded import to_the_end
from copaw.paths import Paths

_log = logging.getLogger(__name__)


def runtime_file(paths: Paths) -> Path:
    """Where the run-time state is kept."""
    return paths.working_dir / "runtime.json"


class RunState(ConfigModel):
    """The content of the file."""

    version: int = 1
    last_api: LastApiConfig | None = None
    last_dispatch: dict[str, LastDispatchConfig] = Field(default_factory=dict)


def read_run_state(path: Path) -> RunState:
    """Read the file. Blocking. One that does not exist is empty.

    :raises ValueError: it is damaged.
    :raises OSError: it cannot be read.
    """
    try:
        return RunState.model_validate(read_json(path))
    except FileNotFoundError:
        return RunState()
    except ValidationError as error:
        raise ValueError(str(error)) from error


def read_last_api(paths: Paths) -> LastApiConfig:
    """Where the server last listened: ``runtime.json``, else ``config.json``, else nothing. Blocking.

    Damaged files count as absent here, because this only guesses an address for a client.
    """
    try:
        state = read_run_state(runtime_file(paths))
        if state.last_api is not None:
            return state.last_api
    except (OSError, ValueError) as error:
        _log.warning("%s: %s", runtime_file(paths), error)
    try:
        written = read_json(paths.config_file)
        return LastApiConfig.model_validate(written["last_api"])
    except (OSError, ValueError, TypeError, KeyError):
        return LastApiConfig()


class RunStateFile:
    """The run-time state in memory and its file. A damaged file is set aside, never overwritten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self.state = RunState()

    async def load(self) -> None:
        """Read the file.

        :raises OSError: it cannot be read, or not be set aside when it is damaged.
        """
        self.state = await asyncio.to_thread(_read_or_set_aside, self._path)

    async def record(
        self,
        *,
        last_api: LastApiConfig | None = None,
        last_dispatch: dict[str, LastDispatchConfig] | None = None,
    ) -> None:
        """Remember what is given, beside what the file holds. What is known already is not written again.

        :raises OSError: it cannot be written; the former state stays in force.
        """

        def update(state: RunState) -> RunState:
            dispatches = {**state.last_dispatch, **(last_dispatch or {})}
            return state.model_copy(update={"last_api": last_api or state.last_api, "last_dispatch": dispatches})

        await self._update(update)

    async def forget(self, agent_id: str) -> None:
        """Drop what is known of an agent. :raises OSError: it cannot be written."""

        def update(state: RunState) -> RunState:
            kept = {key: value for key, value in state.last_dispatch.items() if key != agent_id}
            return state.model_copy(update={"last_dispatch": kept})

        await self._update(update)

    async def _update(self, update: Callable[[RunState], RunState]) -> None:
        async with self._lock:
            if update(self.state) != self.state:
                await to_the_end(self._rewrite(update), name="config:runtime.json")

    async def _rewrite(self, update: Callable[[RunState], RunState]) -> None:
        self.state = await asyncio.to_thread(_rewrite, self._path, update)


def _rewrite(path: Path, update: Callable[[RunState], RunState]) -> RunState:
    """Update what is on disk now: the command that starts the server writes its address there, too."""
    found = _read_or_set_aside(path)
    wanted = update(found)
    if wanted != found:
        write_json_atomic(path, wanted.model_dump())
    return wanted


def _read_or_set_aside(path: Path) -> RunState:
    try:
        return read_run_state(path)
    except ValueError as error:
        kept = set_aside(path)
        _log.warning("%s is damaged (%s). It was set aside as %s.", path, error, kept.name)
        return RunState()
