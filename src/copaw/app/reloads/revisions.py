"""What is wanted of an agent, by number, and what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from copaw.app.reloads.observer import LifecycleObserver
from copaw.app.reloads.outcome import Outcome, ReloadOutcome

logger = logging.getLogger(__name__)


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


class Revisions:
    """The wishes of one agent. Each is a revision, and one outcome answers it and all before it.

    :param observer: told of every outcome.
    """

    def __init__(self, agent_id: str, observer: LifecycleObserver) -> None:
        self.wanted = 0
        self.applied = 0
        self.last: ReloadOutcome | None = None
        self._agent_id = agent_id
        self._observer = observer
        self._requested_at = 0.0
        self._waiters = Waiters()

    @property
    def pending(self) -> bool:
        """Whether something is wanted that has no outcome yet."""
        return self.applied < self.wanted

    @property
    def awaited(self) -> bool:
        """Whether somebody will be told of the next outcome."""
        return len(self._waiters) > 0

    def want(self) -> asyncio.Future[ReloadOutcome]:
        """One more wish. The future answers its outcome and may be ignored."""
        if not self.pending:
            self._requested_at = time.time()
        self.wanted += 1
        return self._waiters.add(self.wanted)

    def finish(
        self,
        revision: int,
        outcome: Outcome,
        generation: int,
        *,
        changed: list[str] | None = None,
        error: str | None = None,
    ) -> None:
        """Wishes up to ``revision`` have their outcome."""
        self.last = self._report(outcome, generation, changed, error)
        self.applied, self._requested_at = revision, self.last.finished_at
        self._observer.reloaded(self._agent_id, self.last)
        # Before anybody who waits goes on, but not within a swap: writing a log may take its time.
        asyncio.get_running_loop().call_soon(self._log, self.last)
        self._waiters.answer(revision, self.last)

    def hold(self, generation: int, draining: int) -> None:
        """Let go of whoever waits: the outcome comes when one of the generations that drain has closed."""
        why = f"{draining} generations drain already; the reload follows as soon as one of them has closed"
        self._waiters.answer(self.wanted, self._report(Outcome.HELD, generation, None, why))

    def _report(self, outcome: Outcome, generation: int, changed: list[str] | None, error: str | None) -> ReloadOutcome:
        now = time.time()
        return ReloadOutcome(
            outcome, generation, self._requested_at, now, now - self._requested_at, changed or [], error
        )

    def _log(self, report: ReloadOutcome) -> None:
        logger.info(
            "agent %s: reload %s, generation %d, %.0f ms%s%s", self._agent_id, report.outcome, report.generation,
            report.duration_seconds * 1e3, f", changed {', '.join(report.changed)}" if report.changed else "",
            f": {report.error}" if report.error else "",
        )  # fmt: skip

    async def wait_latest(self) -> None:
        """Wait until the latest wish is answered."""
        await self._waiters.wait_latest()

    def close(self, error: Exception) -> None:
        """Nobody will be answered any more."""
        self._waiters.fail(error)
