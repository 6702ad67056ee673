"""The end of a task reaches whoever gave a callback, once, also over a restart."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from copaw.app.background.callbacks import Callbacks, signature
from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.records import CallbackState, TaskRecord, TaskState

RECORD = TaskRecord(
    id="t1", agent_id="a", session_id="s", user_id="u", state=TaskState.SUCCEEDED, created_at=1.0, timeout_s=1.0,
    ended_at=2.0, owner="me", result={"status": "completed"}, callback_url="http://x/hook",
    callback_state=CallbackState.PENDING,
)  # fmt: skip


class Receiver:
    """Answers what it is told; keeps what it got."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, bytes, dict[str, str]]] = []
        self.enough = asyncio.Event()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> str | None:
        self.got.append((url, body, headers))
        if len(self.got) == len(self.answers):
            self.enough.set()
        return self.answers[len(self.got) - 1]


async def secret() -> bytes:
    return b"secret"


async def deliver(receiver: Receiver, record: TaskRecord, **settings: Any) -> TaskRecord:
    """Deliver as a new process would that finds the record undelivered."""
    store = MemoryTaskStore()
    await store.add(record)
    callbacks = Callbacks(secret, post=receiver.post, **settings)
    callbacks.begin(store, "me")
    await receiver.enough.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    await callbacks.aclose()
    return await store.get("t1")


async def test_the_body_is_the_task_and_is_signed() -> None:
    receiver = Receiver(None)
    stored = await deliver(receiver, RECORD)
    [(url, body, headers)] = receiver.got
    assert url == "http://x/hook"
    assert json.loads(body)["state"] == "succeeded"
    assert headers["X-Copaw-Task-Id"] == "t1"
    assert headers["X-Copaw-Signature"] == signature(b"secret", headers["X-Copaw-Timestamp"], body)
    assert (stored.callback_state, stored.callback_attempts) == (CallbackState.DELIVERED, 1)


async def test_a_delivery_is_tried_again_and_recorded() -> None:
    stored = await deliver(Receiver("status 500", "no route", None), RECORD, pauses_s=(0.0, 0.0, 0.0))
    assert (stored.callback_state, stored.callback_attempts) == (CallbackState.DELIVERED, 3)
    assert stored.callback_error is None


async def test_at_last_it_is_given_up_and_said_so() -> None:
    stored = await deliver(Receiver("status 500", "status 502"), RECORD, pauses_s=(0.0,))
    assert (stored.callback_state, stored.callback_error) == (CallbackState.FAILED, "status 502")


async def test_a_task_that_has_not_ended_is_not_told_of() -> None:
    store, receiver = MemoryTaskStore(), Receiver(None)
    await store.add(replace(RECORD, state=TaskState.RUNNING))
    callbacks = Callbacks(secret, post=receiver.post)
    callbacks.begin(store, "me")
    await asyncio.sleep(0.01)
    await callbacks.aclose()
    assert receiver.got == []
