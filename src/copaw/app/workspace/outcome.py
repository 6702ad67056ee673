"""What became of a reload, and who is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
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


class Waiters:
    """Those who asked for something and may wait for its outcome, by the revision they asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[ReloadOutcome]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, revision: int) -> asyncio.Future[ReloadOutcome]:
        """A future that is answered when ``revision`` or a later one has an outcome."""
        future: asyncio.Future[ReloadOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, future))
        return future

    def answer(self, revision: int, report: ReloadOutcome) -> None:
        """Tell everybody who asked for ``revision`` or an earlier one. A stop supersedes earlier reloads."""
        overtaken = replace(report, outcome=Outcome.SUPERSEDED) if report.outcome is Outcome.STOPPED else report
        answered = [entry for entry in self._waiting if entry[0] <= revision]
        self._waiting = [entry for entry in self._waiting if entry[0] > revision]
        for asked, future in answered:
            if not future.done():
                future.set_result(report if asked == revision else overtaken)

    def fail(self, error: Exception) -> None:
        """Nobody will be answered any more."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # Whoever did not wait need not hear of it.
        self._waiting.clear()

    async def wait_latest(self) -> None:
        """Wait until the latest wish is answered."""
        if self._waiting:
            # A future of its own: whoever asked may have gone, and the future they left behind is done.
            await asyncio.wait([self.add(self._waiting[-1][0])])
