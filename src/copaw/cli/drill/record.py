"""What the drill has seen, and the verdict on it. Pure: it is fed answers and the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from copaw.cli.chat_command import outcome_of
from copaw.cli.drill.tasks import DrillTask, wrong_answer
from copaw.ports import Json

UNDER_WAY = frozenset({"submitted", "pending", "running"})
EARLY_TOLERANCE_S = 0.5
_DISCARDED = frozenset({"failed", "superseded"})


@dataclass(slots=True)
class TaskRecord:
    """One task from its submission to its end. Times are of one monotonic clock, in seconds.

    :param sent_at: when it was about to be sent.
    :param generations: every generation that was seen to hold it.
    :param faults: why it did not pass.
    """

    task: DrillTask
    task_id: str = ""
    sent_at: float = 0.0
    ended_at: float | None = None
    status: str = "waiting"
    answer: str = ""
    generations: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Accepted and not ended."""
        return bool(self.task_id) and self.ended_at is None

    def see_status(self, answer: Json, now: float) -> None:
        """Take in one answer of the status route."""
        status = answer.get("status")
        if status in UNDER_WAY:
            self.status = str(status)
            return
        self.ended_at = now
        self.status = str(status or "unknown")
        if status not in ("finished", "error"):
            self.faults.append(f"untruthful status: {answer.get('error') or status}")
            return
        failed, text = outcome_of(answer)
        if failed:
            self.faults.append(f"failed: {text}")
            return
        self.answer = " ".join(text.split())
        wrong = wrong_answer(self.task, text)
        if wrong:
            self.faults.append(wrong)
        took = now - self.sent_at
        if took < self.task.least_s - EARLY_TOLERANCE_S:
            self.faults.append(f"said to be finished after {took:.1f} s, its commands take {self.task.least_s:g} s")

    def problems(self) -> list[str]:
        """Why it did not pass; empty when it did."""
        found = list(self.faults)
        if self.ended_at is None and not found:
            found.append(f"did not end (last status: {self.status})" if self.task_id else "was not sent")
        if len(self.generations) > 1:
            found.append(f"was held by more than one generation: {sorted(self.generations)}")
        return found

    def line(self) -> str:
        """The result line."""
        problems = self.problems()
        took = f"{self.ended_at - self.sent_at:.1f} s" if self.ended_at is not None else "no end"
        held = " and ".join(str(number) for number in sorted(self.generations)) or "?"
        head = f"task {self.task.number}  {'FAILED' if problems else 'ok'}  {took}  generation {held}"
        return f"{head}  {'; '.join(problems) or self.answer}"


@dataclass(slots=True)
class Record:
    """Everything seen so far.

    :param seen: every generation that showed up, with its last state.
    :param faults: what went wrong beside the tasks.
    """

    tasks: list[TaskRecord]
    seen: dict[int, str] = field(default_factory=dict)
    current: int = 0
    rounds_done: int = 0
    faults: list[str] = field(default_factory=list)

    def see_lifecycle(self, document: Json) -> None:
        """Take in one lifecycle answer. A generation that is no longer listed has closed."""
        by_id = {record.task_id: record for record in self.tasks if record.task_id}
        listed = {}
        for generation in document.get("generations") or []:
            number = int(generation["generation"])
            listed[number] = str(generation["state"])
            for lease in generation.get("leases") or []:
                record = by_id.get(str(lease.get("task_id")))
                if record is not None:
                    record.generations.add(number)
        gone = {number: state if state in _DISCARDED else "closed" for number, state in self.seen.items()}
        self.seen = gone | listed
        current = document.get("generation")
        self.current = current if isinstance(current, int) else self.current

    def old_open(self) -> list[int]:
        """Replaced generations that have not closed."""
        return sorted(number for number in self._old() if self.seen[number] != "closed")

    def finished(self) -> bool:
        """Has every task come to an end?"""
        return not any(record.open for record in self.tasks)

    def problems(self) -> Iterator[str]:
        """Every reason to fail; none means that the drill passed."""
        yield from self.faults
        for record in self.tasks:
            yield from (f"task {record.task.number}: {problem}" for problem in record.problems())
        for number in self.old_open():
            yield f"generation {number} is still {self.seen[number]}"

    def verdict(self, rounds: int) -> str:
        """One line."""
        right = sum(1 for record in self.tasks if not record.problems())
        old = self._old()
        closed = len(old) - len(self.old_open())
        return (
            f"{right} of {len(self.tasks)} tasks completed with the right answer over {self.rounds_done} of {rounds} "
            f"rounds of changes; {closed} of {len(old)} old generations closed."
        )

    def _old(self) -> list[int]:
        return [n for n, state in self.seen.items() if n < self.current and state not in _DISCARDED]
