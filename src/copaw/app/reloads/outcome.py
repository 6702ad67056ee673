"""What became of a reload."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a reload."""

    SWAPPED = "swapped"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    HELD = "held"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The answer to everybody who waited. Times in seconds since the epoch."""

    outcome: Outcome
    generation: int
    requested_at: float
    finished_at: float
    duration_seconds: float
    changed: list[str] = field(default_factory=list)
    error: str | None = None
