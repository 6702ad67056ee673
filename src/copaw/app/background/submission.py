"""What is asked for with a task, checked at the edge."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from copaw.app.background.records import Asker, CallbackState, OnInterrupt, TaskKind, TaskRecord, TaskState
from copaw.errors import BadInput
from copaw.ids import new_uuid
from copaw.ports import Json

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A larger request body is refused with 413."""
MAX_TIMEOUT_S = 366 * 24 * 3600.0
MAX_KEY_CHARS = 255
MAX_NAME_CHARS = 1024
OPTIONS = ("timeout_seconds", "timeout", "on_interrupt", "on_busy", "callback_url")
"""Fields of the body that concern the task, not the run."""


class OnBusy(StrEnum):
    """What happens to a task whose session is busy."""

    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Submission:
    """One task that somebody wants.

    :param request: the validated body without the options, its session and user ids filled in.
    :param chain: agents that wait for it, outermost first; ``parent_id`` is the task whose run asks.
    :param asker: the conversation that is told of the end.
    """

    agent_id: str
    request: Json
    timeout_s: float
    on_interrupt: OnInterrupt = OnInterrupt.KEEP
    on_busy: OnBusy = OnBusy.QUEUE
    callback_url: str | None = None
    idempotency_key: str | None = None
    parent_id: str | None = None
    chain: tuple[str, ...] = ()
    body_hash: str = ""
    kind: TaskKind = TaskKind.RUN
    asker: Asker | None = None

    def record(self, owner: str) -> TaskRecord:
        """The record of the task that comes of it."""
        now = time.time()
        return TaskRecord(
            id=new_uuid(),
            agent_id=self.agent_id,
            session_id=str(self.request["session_id"]),
            user_id=str(self.request["user_id"]),
            channel=str(self.request.get("channel") or "console"),
            state=TaskState.QUEUED,
            created_at=now,
            timeout_s=self.timeout_s,
            request=self.request,
            owner=owner,
            heartbeat_at=now,
            idempotency_key=self.idempotency_key,
            body_hash=self.body_hash,
            on_interrupt=self.on_interrupt,
            parent_id=self.parent_id,
            chain=self.chain,
            callback_url=self.callback_url,
            callback_state=CallbackState.PENDING if self.callback_url else None,
            kind=self.kind,
            asker=self.asker,
            notice_state=CallbackState.PENDING if self.asker else None,
        )


def parse_submission(
    agent_id: str,
    body: Json,
    request: Json,
    *,
    default_timeout_s: float,
    idempotency_key: str | None = None,
    parent_id: str | None = None,
    chain: tuple[str, ...] = (),
    asker: Asker | None = None,
) -> Submission:
    """Check the options of a submission.

    :param body: as it came. :param request: the same, validated as a request to an agent.
    :raises BadInput: naming the field at fault.
    """
    for name in ("session_id", "user_id", "channel"):
        _check_name(name, request.get(name))
    return Submission(
        agent_id=agent_id,
        request={name: value for name, value in request.items() if name not in OPTIONS},
        timeout_s=_timeout_s(body, default_timeout_s),
        on_interrupt=_choice(OnInterrupt, body, "on_interrupt", OnInterrupt.KEEP),
        on_busy=_choice(OnBusy, body, "on_busy", OnBusy.QUEUE),
        callback_url=_callback_url(body.get("callback_url")),
        idempotency_key=_key(idempotency_key),
        parent_id=parent_id,
        chain=chain,
        body_hash=_hash(agent_id, body),
        asker=asker,
    )


def again(record: TaskRecord, owner: str, *, resumes: bool = False) -> TaskRecord:
    """The record of another attempt at a task, as a task of its own."""
    now = time.time()
    return replace(
        record,
        id=new_uuid(),
        state=TaskState.QUEUED,
        created_at=now,
        started_at=None,
        ended_at=None,
        generation=None,
        end_reason=None,
        result=None,
        owner=owner,
        heartbeat_at=now,
        attempt=record.attempt + 1,
        idempotency_key=None,
        retry_of=record.id,
        retried_as=None,
        resumes=resumes,
        callback_state=CallbackState.PENDING if record.callback_url else None,
        callback_attempts=0,
        callback_at=None,
        callback_error=None,
        events_truncated=False,
        notice_state=CallbackState.PENDING if record.asker else None,
    )


def _hash(agent_id: str, body: Json) -> str:
    canonical = json.dumps([agent_id, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _timeout_s(body: Json, default: float) -> float:
    field = "timeout_seconds" if body.get("timeout_seconds") is not None else "timeout"
    value = body.get(field)
    if value is None:
        return default
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise BadInput(f"Field '{field}': {_shown(value)} is not a positive number of seconds.", field=field)
    return seconds


def _choice(kind: type[Any], body: Json, field: str, default: Any) -> Any:
    value = body.get(field)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        choices = " or ".join(f"'{choice}'" for choice in kind)
        raise BadInput(f"Field '{field}': {_shown(value)} is neither {choices}.", field=field) from None


def _callback_url(value: Any) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        valid = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or len(value) > MAX_NAME_CHARS * 2 or not value.isprintable():
        raise BadInput(f"Field 'callback_url': {_shown(value)} is not an http(s) address.", field="callback_url")
    return str(value)


def _key(value: str | None) -> str | None:
    if value is None:
        return None
    if not value.strip() or len(value) > MAX_KEY_CHARS or not value.isprintable():
        raise BadInput(
            f"Header 'Idempotency-Key': must have 1 to {MAX_KEY_CHARS} printable characters.", field="Idempotency-Key"
        )
    return value


def _check_name(field: str, value: Any) -> None:
    text = str(value or "")
    if len(text) > MAX_NAME_CHARS or "\0" in text or text.encode(errors="replace").decode() != text:
        raise BadInput(
            f"Field '{field}': must be text of at most {MAX_NAME_CHARS} characters without zero characters.",
            field=field,
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
