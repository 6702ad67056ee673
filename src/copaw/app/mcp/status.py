"""What is known of a client from outside."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from copaw.errors import CopawError


class ClientState(enum.StrEnum):
    """What can be expected of a client."""

    CONNECTING = "connecting"
    READY = "ready"
    DEGRADED = "degraded"
    """The session was lost and is being opened again."""
    FAILED = "failed"
    """The last attempt failed; there will be another one."""
    IDLE = "idle"
    """Closed because nobody used it; the next call opens it."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """What people are told.

    :param since: of the state, seconds since the epoch.
    :param calls: under way. :param sessions: opened so far.
    :param retry_in_s: seconds until the next attempt, ``None`` if none is due.
    """

    state: ClientState
    since: float
    last_error: str | None
    tools: int
    calls: int
    sessions: int
    retry_in_s: float | None


def sentence(error: BaseException) -> str:
    """What went wrong, in one line; the first cause if there are several."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, CopawError):
        return error.message
    return f"{type(error).__name__}: {error}".rstrip(": ")
