"""Something that is due from time to time, and what is to be done with one due time of it.

A due time is handled once. It is *pending* until then: from the moment it comes, for at most the entry's grace, because
nobody was there, or because the entry runs as often as it may already. Then it is given up, and that is recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from copaw.app.crons.state import EntryState, Record, Status
from copaw.app.crons.triggers import Trigger

MIN_GRACE_S = 1.0
"""No timer is exact: who allows no lateness means this much."""

MAX_GRACE_S = 24 * 3600.0
DAY_S = 24 * 3600.0
_A_MOMENT_S = 0.001


@dataclass(frozen=True, slots=True)
class Result:
    """How a run of an entry ended.

    :param error: one sentence, if it did not go well.
    :param cause: the end reason, if it was ended by somebody.
    """

    status: Status
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One job, or the heartbeat.

    :param trigger: ``None`` if it is never due.
    :param run: does it once.
    :param coalesce: of several pending due times only the latest counts.
    """

    key: str
    trigger: Trigger | None
    run: Callable[[], Awaitable[Result]]
    max_concurrency: int = 1
    grace_s: float = 60.0
    coalesce: bool = False

    @property
    def lateness_s(self) -> float:
        """How late a due time may be handled, in seconds."""
        return min(max(self.grace_s, MIN_GRACE_S), MAX_GRACE_S)


def plan(entry: Entry, state: EntryState, now: float, *, doubt: bool = True) -> None:
    """Work out when the entry is due next, keeping what is known already.

    :param doubt: the clock may have been set since that was worked out.

    After the clock was set back no due time comes again. One that was handled more than a day ahead of the present was
    a mistake of the clock and does not count.
    """
    trigger = entry.trigger if not state.paused else None
    if trigger is None:
        state.next_due = None
        return
    if state.fingerprint != trigger.fingerprint:
        state.fingerprint, state.next_due = trigger.fingerprint, None
    if state.next_due is not None and not doubt:
        return
    after = max(now, state.last_due) if state.last_due is not None and state.last_due <= now + DAY_S else now
    fresh = trigger.next_after(after, after)
    if state.next_due is None or (fresh is not None and fresh < state.next_due):
        state.next_due = fresh


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: ``fire`` the due time, ``wait`` until something changes, or look ``again``."""

    kind: Literal["fire", "wait", "again"]
    until: float | None = None
    due: float | None = None
    changed: bool = False


def step(entry: Entry, state: EntryState, now: float, running: int) -> Step:
    """Decide about the pending due time. ``fire`` and giving up advance the state; storing it is the caller's."""
    due = state.next_due
    if due is None or entry.trigger is None:
        return Step("wait")
    if due > now:
        return Step("wait", until=due)
    oldest = now - entry.lateness_s
    if due < oldest:
        _give_up(entry, entry.trigger, state, oldest, running)
        return Step("again", changed=True)
    if running >= entry.max_concurrency:
        return Step("wait", until=due + entry.lateness_s + _A_MOMENT_S)
    state.last_due = due
    state.next_due = entry.trigger.next_after(max(due, now) if entry.coalesce else due, due)
    return Step("fire", due=due, changed=True)


def _give_up(entry: Entry, trigger: Trigger, state: EntryState, oldest: float, running: int) -> None:
    """Record that due times were not handled: all before ``oldest``, as one."""
    assert state.next_due is not None
    first = state.next_due
    # The last one that counts as handled: strictly before whatever is still in time.
    handled = max(first, oldest - _A_MOMENT_S)
    state.last_due = first
    state.next_due = trigger.next_after(handled, first)
    if running >= entry.max_concurrency:
        why = f"Skipped: {running} earlier runs, as many as may be at the same time, did not end in time."
        state.note(Record(due_at=first, status="skipped", error=why))
    else:
        why = f"Missed: it was noticed more than {entry.lateness_s:g} s after it was due."
        state.note(Record(due_at=first, status="missed", error=why))
