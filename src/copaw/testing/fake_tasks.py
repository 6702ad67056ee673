"""Runs of tasks that do what a test tells them, and a ledger that dies when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from copaw.app.background.live import OpenCall
from copaw.app.background.records import TaskRecord
from copaw.app.background.store import TaskStore
from copaw.app.background.submission import Submission, parse_submission
from copaw.app.runner.events import Event, ResponseStream, ended_error, error_object
from copaw.errors import CopawError, EndReason
from copaw.ports import Hold, Json, at_once

QUIET_TURNS = 30
"""So many turns of the event loop without a call of a store, and nobody is about to make one."""
WRITES = frozenset({"add", "advance", "annotate", "delete", "add_events", "resume", "trim"})


def submission(text: str = "do it", *, session_id: str = "s", key: str | None = None, **options: Any) -> Submission:
    """A submission to the agent ``a``."""
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
    request: Json = {"input": [message], "session_id": session_id, "user_id": "u", "channel": "console"}
    return parse_submission("a", {**request, **options}, request, default_timeout_s=60.0, idempotency_key=key)


class FakeRun:
    """A run whose events the test gives."""

    generation = 1

    def __init__(self, record: TaskRecord, recorded: Callable[[], Awaitable[None]] = at_once) -> None:
        self.record = record
        self.recorded = recorded
        self.end_reason: str | None = None
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self._stream = ResponseStream(self._emit, f"response_{record.id}", record.session_id, 0)
        self._stream.begin()

    def _emit(self, payload: Json) -> None:
        self.events.append(Event(len(self.events), payload))
        self._news.set()

    @property
    def published(self) -> int:
        return len(self.events)

    @property
    def ended(self) -> bool:
        return self._stream.ended

    def say(self, text: str) -> None:
        """One whole message."""
        message = self._stream.open_message("message", "assistant")
        message.text(text)
        message.complete()

    def begin_saying(self, text: str) -> None:
        """A message that is not complete."""
        self._stream.open_message("message", "assistant").text(text)

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """A tool call without a result."""
        message = self._stream.open_message("plugin_call", "assistant")
        message.data({"call_id": call_id, "name": name, "arguments": arguments}, "completed")
        message.complete()

    def complete(self) -> None:
        self._stream.complete()

    def fail(self, why: str = "it broke") -> None:
        self._stream.fail(error_object("AGENT_ERROR", why))

    def stop(self, reason: EndReason) -> bool:
        if self.ended or self.end_reason is not None:
            return False
        self.end_reason = reason
        self._stream.fail(ended_error(reason))
        return True

    async def more(self, position: int, timeout_s: float | None = None) -> Sequence[Event]:
        while position >= len(self.events) and not self.ended:
            self._news.clear()
            await self._news.wait()
        return self.events[position:]


class FakeRuns:
    """A :class:`~copaw.app.background.live.TaskRuns`.

    :ivar started: every run, in the order of the starts. :ivar refuse: raised instead of taking work.
    :ivar hold: runs do not begin, as behind a busy session, until ``began`` of theirs is called.
    """

    def __init__(self) -> None:
        self.started: list[FakeRun] = []
        self.began: list[Callable[[], None]] = []
        self.open_calls: list[Sequence[OpenCall]] = []
        self.parents: list[Hold | None] = []
        self.refuse: CopawError | None = None
        self.hold = False
        self.busy = False

    async def check(self, agent_id: str) -> None:
        if self.refuse is not None:
            raise self.refuse

    def session_busy(self, record: TaskRecord) -> bool:
        return self.busy

    async def start_task(
        self,
        record: TaskRecord,
        began: Callable[[], None],
        open_calls: Sequence[OpenCall],
        parent: Hold | None = None,
        recorded: Callable[[], Awaitable[None]] = at_once,
    ) -> FakeRun:
        await self.check(record.agent_id)
        run = FakeRun(record, recorded)
        self.started.append(run)
        self.began.append(began)
        self.open_calls.append(open_calls)
        self.parents.append(parent)
        if not self.hold:
            asyncio.get_running_loop().call_soon(began)
        return run

    def of(self, task_id: str) -> FakeRun:
        """The run of a task."""
        return next(run for run in self.started if run.record.id == task_id)


class MortalStore:
    """A store that stops answering, as if its process was killed, in or after its n-th write.

    :ivar dead: set when it has died. :ivar busy: so many calls are under way.
    """

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._left: int | None = None
        self._lands = False
        self._dying = False
        self._writing = 0
        self.dead = asyncio.Event()
        self.busy = 0

    async def wait_idle(self) -> None:
        """Wait until nobody uses it, and nobody is about to, or it has died."""
        quiet = 0
        while quiet < QUIET_TURNS and not self.dead.is_set():
            await asyncio.sleep(0 if not self.busy else 0.0005)
            quiet = 0 if self.busy else quiet + 1

    def die_in(self, writes: int, *, lands: bool) -> None:
        """Die in the write after the next ``writes``. If it ``lands``, it is in the store; nobody hears of it."""
        self._left, self._lands = writes, lands

    async def die(self) -> None:
        """Die now. What was on its way to the disk lands."""
        self._dying = True
        while self._writing:  # noqa: ASYNC110 - for the sake of examples that can be repeated
            await asyncio.sleep(0.0005)
        self.dead.set()

    def __getattr__(self, name: str) -> Any:
        method = object.__getattribute__(self._store, name)
        return self._counted(self._mortal(method) if name in WRITES else method)

    def _counted(self, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.busy += 1
            try:
                return await method(*args, **kwargs)
            finally:
                self.busy -= 1

        return call

    def _mortal(self, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def write(*args: Any, **kwargs: Any) -> Any:
            if self._dying:
                return await asyncio.Future()
            if self._left is None or self._left > 0:
                self._left = None if self._left is None else self._left - 1
                return await self._landing(method(*args, **kwargs))
            self._dying = True
            if self._lands:
                await self._landing(method(*args, **kwargs))
            self.dead.set()
            return await asyncio.Future()

        return write

    async def _landing(self, write: Coroutine[Any, Any, Any]) -> Any:
        self._writing += 1
        try:
            return await asyncio.shield(write)
        finally:
            self._writing -= 1
