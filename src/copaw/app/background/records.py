"""What the ledger remembers of a task."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum

from copaw.errors import BadInput, EndReason
from copaw.ports import Json


class TaskState(StrEnum):
    """How far a task has come. Terminal states never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        return self not in UNDER_WAY

    @property
    def sources(self) -> tuple[TaskState, ...]:
        """The states from which a task may come here."""
        match self:
            case TaskState.QUEUED:
                return ()
            case TaskState.RUNNING:
                return (TaskState.QUEUED,)
            case TaskState.CANCELLING:
                return (TaskState.QUEUED, TaskState.RUNNING)
            case _:
                return UNDER_WAY


UNDER_WAY = (TaskState.QUEUED, TaskState.RUNNING, TaskState.CANCELLING)
SERVER_DIED = "server_died"
"""End reason of a task whose server ended without saying so; nobody asked its run to end."""
RESUMABLE = (SERVER_DIED, EndReason.SERVER_SHUTDOWN.value)
"""End reasons after which a task is resumed if its submitter wanted that."""


class OnInterrupt(StrEnum):
    """What happens to an interrupted task when the server is back."""

    KEEP = "keep"
    RESUME = "resume"


class TaskKind(StrEnum):
    """What a task runs."""

    RUN = "run"
    """A request to an agent."""
    TOOL = "tool"
    """One tool call of an agent, which goes on beside the conversation."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The conversation that a task was begun from and that is told of its end."""

    agent_id: str
    channel: str
    user_id: str
    session_id: str


class CallbackState(StrEnum):
    """How far telling somebody of a task's end has come: its ``callback_url``, or the conversation that asked."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One row. Times in seconds since the epoch.

    :param request: the validated body, so that the task can be run again.
    :param result: the last event of the run, normally its response object.
    :param end_reason: the recorded cause if the task was ended.
    :param owner: the server that runs it.
    :param heartbeat_at: when its owner last wrote of it.
    :param attempt: 1, and one more for each time it is retried or resumed, as a task of its own.
    :param idempotency_key: at most one task has it. ``body_hash`` says what was asked for under it.
    :param resumes: it goes on from what ``retry_of`` left behind, instead of beginning again.
    :param parent_id: the task whose run asked for this one.
    :param chain: agents that wait for this task, outermost first.
    :param callback_at: when the callback was delivered, or is tried next.
    :param events_truncated: events were left out because there were too many.
    :param asker: the conversation that is told of the end; ``None`` if none is.
    """

    id: str
    agent_id: str
    session_id: str
    user_id: str
    state: TaskState
    created_at: float
    timeout_s: float
    channel: str = "console"
    started_at: float | None = None
    ended_at: float | None = None
    generation: int | None = None
    end_reason: str | None = None
    request: Json = field(default_factory=dict)
    result: Json | None = None
    owner: str = ""
    heartbeat_at: float | None = None
    attempt: int = 1
    idempotency_key: str | None = None
    body_hash: str = ""
    on_interrupt: OnInterrupt = OnInterrupt.KEEP
    retry_of: str | None = None
    retried_as: str | None = None
    resumes: bool = False
    parent_id: str | None = None
    chain: tuple[str, ...] = ()
    callback_url: str | None = None
    callback_state: CallbackState | None = None
    callback_attempts: int = 0
    callback_at: float | None = None
    callback_error: str | None = None
    events_truncated: bool = False
    kind: TaskKind = TaskKind.RUN
    asker: Asker | None = None
    notice_state: CallbackState | None = None


@dataclass(frozen=True, slots=True)
class EventChunk:
    """Consecutive events of a task, as the frames that listeners get.

    :param frames: server-sent events, each ended by a blank line.
    """

    task_id: str
    first: int
    last: int
    frames: str


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Which tasks to list, newest first.

    :param cursor: from the page before; ``None`` for the first page.
    """

    agent_id: str | None = None
    state: TaskState | None = None
    session_id: str | None = None
    limit: int = 50
    cursor: str | None = None
    kind: TaskKind | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks without their ``request`` and ``result``, and where the next page begins."""

    tasks: list[TaskRecord]
    next_cursor: str | None = None


def cursor_of(record: TaskRecord) -> str:
    """The cursor of the page that begins after ``record``."""
    return base64.urlsafe_b64encode(f"{record.created_at!r}:{record.id}".encode()).decode()


def position_of(cursor: str) -> tuple[float, str]:
    """``(created_at, id)`` of the last task of the page before.

    :raises BadInput: it is not a cursor.
    """
    try:
        created_at, _, task_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        return float(created_at), task_id
    except (ValueError, binascii.Error) as error:
        raise BadInput("Field 'cursor': not a cursor that this server gave.", field="cursor") from error
