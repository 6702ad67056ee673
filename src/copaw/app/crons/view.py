"""How jobs and their history are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from copaw.app.crons.models import CronJobState, CronJobView, JobRunRecord
from copaw.app.crons.state import EntryState, Record, Status
from copaw.app.crons.store import Job

LastStatus = Literal["success", "error", "running", "skipped", "cancelled"]


def state_view(state: EntryState, *, running: int, problem: str | None = None) -> CronJobState:
    """How an entry is."""
    last = state.history[-1] if state.history else None
    ran = next((record.started_at for record in reversed(state.history) if record.started_at is not None), None)
    return CronJobState(
        next_run_at=_moment(state.next_due),
        last_run_at=_moment(ran),
        last_status=None if last is None else _last_status(last.status),
        last_error=None if last is None else last.error,
        last_cause=None if last is None else last.cause,
        paused=state.paused,
        running=running,
        problem=problem,
    )


def job_view(job: Job, state: CronJobState) -> CronJobView:
    """A job with how it is."""
    return CronJobView(spec=job.spec, state=state)


def history_view(state: EntryState) -> list[JobRunRecord]:
    """What happened, newest first."""
    return [_record(record) for record in reversed(state.history)]


def _record(record: Record) -> JobRunRecord:
    return JobRunRecord(
        trigger=record.trigger,
        due_at=_moment(record.due_at),
        started_at=_moment(record.started_at),
        ended_at=_moment(record.ended_at),
        status=record.status,
        error=record.error,
        cause=record.cause,
    )


def _last_status(status: Status) -> LastStatus:
    return "skipped" if status == "missed" else status


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
