"""What is remembered of scheduled work, apart from its configuration: ``cron_state.json``.

The due time that was handled last is stored before anything is done about it: after a crash it is not handled again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copaw.aiokits.files import read_json, set_aside, write_json_atomic

logger = logging.getLogger(__name__)

STATE_NAME = "cron_state.json"
MAX_HISTORY = 50

Status = Literal["success", "error", "running", "skipped", "cancelled", "missed"]


class Record(BaseModel):
    """One thing that happened at a due time, or because somebody asked. Times in seconds since the epoch."""

    model_config = ConfigDict(allow_inf_nan=False)

    trigger: Literal["schedule", "manual"] = "schedule"
    due_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    status: Status = "running"
    error: str | None = None
    cause: str | None = None


class EntryState(BaseModel):
    """What is remembered of one job, or of the heartbeat.

    :param fingerprint: of the trigger that ``next_due`` was computed from.
    :param next_due: when it is due next; ``None`` while it is not scheduled.
    :param last_due: the due time that was handled last.
    :param history: the latest records, oldest first.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    fingerprint: str = ""
    next_due: float | None = None
    last_due: float | None = None
    paused: bool = False
    history: list[Record] = Field(default_factory=list)

    def note(self, record: Record) -> Record:
        """Add to the history; the oldest are forgotten."""
        self.history.append(record)
        del self.history[:-MAX_HISTORY]
        return record


class _StateFile(BaseModel):
    model_config = ConfigDict(extra="allow")

    version: int = 1
    entries: dict[str, EntryState] = Field(default_factory=dict)


class StateStore(Protocol):
    """Where states are kept between two starts."""

    async def load(self) -> dict[str, EntryState]:
        """What was saved last. Records of what was under way say that it was interrupted."""

    async def save(self, entries: Mapping[str, EntryState]) -> None:
        """Keep it. Nothing of ``entries`` is held on to. :raises OSError: it could not be kept."""


class FileStateStore:
    """States in a file, which is replaced as a whole. One that cannot be used is set aside, with a warning."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> dict[str, EntryState]:
        return interrupted(await asyncio.to_thread(self._load))

    def _load(self) -> dict[str, EntryState]:
        try:
            return _StateFile.model_validate(read_json(self._path)).entries
        except FileNotFoundError:
            return {}
        except (ValueError, ValidationError) as error:
            moved = set_aside(self._path)
            logger.warning("%s cannot be used and is now %s: %s", self._path, moved.name, str(error).split("\n", 1)[0])
            return {}

    async def save(self, entries: Mapping[str, EntryState]) -> None:
        body = _dumped(entries)
        await asyncio.to_thread(write_json_atomic, self._path, body)


class MemoryStateStore:
    """States that end with the process."""

    def __init__(self) -> None:
        self.saves = 0
        self._body: dict[str, object] = {}

    async def load(self) -> dict[str, EntryState]:
        return interrupted(_StateFile.model_validate(self._body).entries)

    async def save(self, entries: Mapping[str, EntryState]) -> None:
        self.saves += 1
        self._body = _dumped(entries)


def _dumped(entries: Mapping[str, EntryState]) -> dict[str, object]:
    return {"version": 1, "entries": {key: state.model_dump(exclude_defaults=True) for key, state in entries.items()}}


def interrupted(entries: dict[str, EntryState]) -> dict[str, EntryState]:
    """``entries`` with the end of what was under way when they were saved."""
    for state in entries.values():
        for record in state.history:
            if record.status == "running":
                record.status = "cancelled"
                record.error = "The server ended while this ran. It is not run again."
                record.cause = "interrupted"
    return entries
