"""Telling whoever asked for it that a task has ended: one signed POST, repeated until it is taken.

The body is the task as ``GET /api/tasks/{id}`` answers it. ``X-Copaw-Signature`` is ``sha256=`` and the hexadecimal
HMAC-SHA256 of ``<X-Copaw-Timestamp>.<body>`` under the secret of this server. Any 2xx answer ends the delivery. What
is not delivered when the server ends is delivered by the next one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from secrets import token_urlsafe

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.records import CallbackState, TaskRecord
from copaw.app.background.store import TaskStore
from copaw.app.background.view import task_json
from copaw.config.secrets import SecretFiles
from copaw.errors import Unavailable

logger = logging.getLogger(__name__)

PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0)
"""Pauses after each failed attempt; after the last one the delivery is given up."""
TIMEOUT_S = 15.0
SECRET_NAME = "callback_secret"

Post = Callable[[str, bytes, dict[str, str]], Awaitable[str | None]]
"""Sends a body to an address; answers what went wrong, ``None`` if it was taken."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of ``X-Copaw-Signature``."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Callbacks:
    """Delivers the ends of tasks.

    :param secret: answers the key of the signatures.
    """

    def __init__(
        self, secret: Callable[[], Awaitable[bytes]], *, post: Post | None = None, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        self._secret = secret
        self._post = post or _post
        self._pauses_s = pauses_s
        self._store: TaskStore | None = None
        self._owner = TaskOwner("callback")

    def begin(self, store: TaskStore, owner: str) -> None:
        """The ledger is open: deliver what a former process did not."""
        self._store = store
        self._owner.spawn(self._catch_up(store, owner), "catch-up")

    async def _catch_up(self, store: TaskStore, owner: str) -> None:
        for record in await store.callbacks_pending(owner):
            self.deliver(record)

    def deliver(self, record: TaskRecord) -> None:
        """Deliver the end of a task, in the background, if it has a callback."""
        if record.callback_url is not None and record.callback_state is CallbackState.PENDING:
            self._owner.spawn(self._deliver(record, record.callback_url), record.id)

    async def _deliver(self, record: TaskRecord, url: str) -> None:
        body = json.dumps(task_json(record), ensure_ascii=False).encode(errors="replace")
        secret = await self._secret()
        for attempt, pause_s in enumerate((*self._pauses_s, None), start=record.callback_attempts + 1):
            timestamp = str(int(time.time()))
            headers = {
                "Content-Type": "application/json",
                "X-Copaw-Task-Id": record.id,
                "X-Copaw-Timestamp": timestamp,
                "X-Copaw-Signature": signature(secret, timestamp, body),
            }
            problem = await self._post(url, body, headers)
            await self._note(record, attempt, problem, pause_s)
            if problem is None or pause_s is None:
                return
            await asyncio.sleep(pause_s)

    async def _note(self, record: TaskRecord, attempt: int, problem: str | None, pause_s: float | None) -> None:
        state = CallbackState.PENDING
        if problem is None:
            state = CallbackState.DELIVERED
        elif pause_s is None:
            state = CallbackState.FAILED
            logger.error("the end of task %s could not be delivered to %s: %s", record.id, record.callback_url, problem)
        at = time.time() + (pause_s or 0.0) if problem is not None else time.time()
        assert self._store is not None
        try:
            await self._store.annotate(
                record.id, callback_state=state, callback_attempts=attempt, callback_at=at, callback_error=problem
            )
        except Unavailable as error:
            logger.warning("the delivery of task %s is not recorded: %s", record.id, error.message)

    async def aclose(self) -> None:
        """Stop delivering; the next start goes on."""
        await self._owner.aclose()


async def _post(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
            response = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"[:500]
    return None if response.is_success else f"status {response.status_code}"


def callback_secret(files: SecretFiles, environ: Mapping[str, str]) -> bytes:
    """The key that signs callbacks: ``COPAW_CALLBACK_SECRET``, else one made on first use. Blocking."""
    secret = environ.get("COPAW_CALLBACK_SECRET") or files.read(SECRET_NAME).get("secret")
    if not isinstance(secret, str) or not secret:
        secret = token_urlsafe(32)
        files.write(SECRET_NAME, {"secret": secret})
    return secret.encode()
