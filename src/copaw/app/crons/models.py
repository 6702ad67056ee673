"""Jobs as ``jobs.json`` and the HTTP interface have them. Unknown fields are kept."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class ScheduleSpec(_Model):
    """When: five fields (see :mod:`copaw.app.crons.cron_expression`) in an IANA time zone."""

    type: Literal["cron"] = "cron"
    cron: str
    timezone: str = "UTC"


class DispatchTarget(_Model):
    """Who gets the output."""

    user_id: str
    session_id: str


class DispatchSpec(_Model):
    """Where the output goes. ``stream`` sends each message as it is complete, ``final`` only the last one."""

    type: Literal["channel"] = "channel"
    channel: str = "console"
    target: DispatchTarget
    mode: Literal["stream", "final"] = "stream"
    meta: dict[str, Any] = Field(default_factory=dict)


class JobRuntimeSpec(_Model):
    """Limits of one job.

    ``max_concurrency``: runs at the same time. ``timeout_seconds``: of one run, waiting for its session included.
    ``misfire_grace_seconds``: how late a due time may still be made up for.
    """

    max_concurrency: int = Field(default=1, ge=1)
    timeout_seconds: int = Field(default=120, ge=1)
    misfire_grace_seconds: int = Field(default=60, ge=0)


class CronJobRequest(_Model):
    """What an agent job asks: ``input`` is a text, one message or a list of messages."""

    input: Any
    session_id: str | None = None
    user_id: str | None = None


class CronJobSpec(_Model):
    """One job: a text that is sent, or a request that the agent answers."""

    id: str
    name: str
    enabled: bool = True
    schedule: ScheduleSpec
    task_type: Literal["text", "agent"] = "agent"
    text: str | None = None
    request: CronJobRequest | None = None
    dispatch: DispatchSpec
    runtime: JobRuntimeSpec = Field(default_factory=JobRuntimeSpec)
    meta: dict[str, Any] = Field(default_factory=dict)


class JobsFile(_Model):
    """The whole of ``jobs.json``."""

    version: int = 1
    jobs: list[CronJobSpec] = Field(default_factory=list)


class CronJobState(BaseModel):
    """How a job is. ``last_cause`` says why its last run was ended, if it was (``timeout``, ``user_stop``, ...).

    ``problem`` says why it cannot be scheduled, if so.
    """

    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    last_status: Literal["success", "error", "running", "skipped", "cancelled"] | None = None
    last_error: str | None = None
    last_cause: str | None = None
    paused: bool = False
    running: int = 0
    problem: str | None = None


class CronJobView(BaseModel):
    """A job and how it is."""

    spec: CronJobSpec
    state: CronJobState = Field(default_factory=CronJobState)


class JobRunRecord(BaseModel):
    """One entry of a job's history. ``missed``: nobody was there when it was due, for longer than its grace."""

    trigger: Literal["schedule", "manual"]
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: Literal["success", "error", "running", "skipped", "cancelled", "missed"]
    error: str | None = None
    cause: str | None = None
