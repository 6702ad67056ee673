"""The timer of one agent.

One task waits for whatever is due next. What it starts runs in tasks of its own, so that nothing delays the timer and
stopping the timer ends nothing that runs. The order is always: note the due time as handled, store that, start the run.
A stop in between waits; a crash in between loses that one run instead of doing it twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from copaw.aiokits.tasks import TaskOwner
from copaw.app.crons.entry import Entry, Result, Step, plan, step
from copaw.app.crons.state import EntryState, Record, StateStore
from copaw.errors import Conflict, CopawError
from copaw.ports import Clock

logger = logging.getLogger(__name__)

LOOK_S = 30.0
"""How often the time of day is compared at least: it may be set, and machines sleep."""

RETRY_SAVE_S = 5.0
MIN_SLEEP_S = 0.001


class Scheduler:
    """Runs entries when they are due.

    :param name: for logs and tasks.
    """

    def __init__(self, name: str, *, states: StateStore, clock: Clock) -> None:
        self.name = name
        self.states: dict[str, EntryState] = {}
        self._store = states
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._running: Counter[str] = Counter()
        self._runs = TaskOwner(f"cron-runs:{name}")
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._doubt = True
        self._timer: asyncio.Task[None] | None = None
        self._seen = 0.0
        self._saving = asyncio.Lock()
        self._version = self._saved = 0

    # -- what it knows ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what was stored. :raises OSError: it cannot be read."""
        self.states = await self._store.load()

    def running(self, key: str) -> int:
        """How many runs of an entry are under way."""
        return self._running[key]

    async def set_entries(self, entries: Mapping[str, Entry], *, complete: bool = True) -> None:
        """Make these the entries. One whose trigger did not change keeps its due time.

        :param complete: these are all. Otherwise what is remembered of others is kept.
        :raises OSError: it cannot be stored; it is in force all the same.
        """
        now = self._clock.time()
        before = self._planned()
        self._entries = dict(entries)
        kept = {} if complete else self.states
        self.states = {**kept, **{key: self.states.get(key) or EntryState() for key in entries}}
        for key, entry in entries.items():
            plan(entry, self.states[key], now, doubt=self._doubt)
        self._doubt = False
        self._wake.set()
        if before != self._planned():
            await self._save_changes()

    def _planned(self) -> dict[str, tuple[str, float | None]]:
        states = self.states.items()
        return {key: (state.fingerprint, state.next_due) for key, state in states if state.fingerprint}

    async def set_paused(self, key: str, paused: bool) -> None:
        """Pause an entry or let it go on; due times in between do not count. Raises as :meth:`set_entries`."""
        state = self.states[key]
        state.paused = paused
        plan(self._entries[key], state, self._clock.time())
        self._wake.set()
        await self._save_changes()

    async def run_now(self, key: str) -> None:
        """Run an entry at once, whether it is due, paused or neither. Returns when that has begun.

        :raises Conflict: as many runs as may be are under way.
        """
        entry = self._entries[key]
        if self._running[key] >= entry.max_concurrency:
            raise Conflict(
                f"{self._running[key]} runs of it are under way, and no more may be at the same time. Wait for one to "
                "end, or raise runtime.max_concurrency."
            )
        record = self.states[key].note(Record(trigger="manual", started_at=self._clock.time()))
        self._spawn(entry, record)
        await self._save_or_warn()

    # -- the timer -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run what is due. Harmless when repeated."""
        if self._timer is None:
            self._stopping = False
            self._seen = self._clock.time()
            self._timer = asyncio.create_task(self._tick_on(), name=f"cron:{self.name}")

    def halt(self) -> None:
        """Start nothing any more, from here on; :meth:`stop` waits for what is just starting."""
        self._stopping = True
        self._wake.set()

    async def stop(self) -> None:
        """Start nothing any more. Whatever has begun to start is started, and what runs goes on."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._stopping = True
            self._wake.set()
            await asyncio.wait([timer])

    async def aclose(self, timeout_s: float) -> None:
        """Stop, wait at most ``timeout_s`` seconds for what runs, then end it."""
        await self.stop()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%s: %d scheduled runs did not end in time", self.name, len(self._runs))
        await self._runs.aclose()

    async def _tick_on(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                until = await self._tick()
            except Exception:  # supervisor: one fault must not end the schedule for good
                logger.exception("%s: the schedule could not be followed; it goes on", self.name)
                until = self._clock.time() + RETRY_SAVE_S
            await self._sleep(until)

    async def _sleep(self, until: float) -> None:
        delay = min(max(until - self._clock.time(), MIN_SLEEP_S), LOOK_S)
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _tick(self) -> float:
        """Do what is due. Returns when to look again."""
        now = self._clock.time()
        if now < self._seen - 1.0:
            logger.warning("%s: the clock was set back by %.0f s", self.name, self._seen - now)
            for key, entry in self._entries.items():
                plan(entry, self.states[key], now)
        self._seen = now
        until = now + LOOK_S
        for key in list(self._entries):
            until = min(until, await self._handle(key, now))
        return until

    async def _handle(self, key: str, now: float) -> float:
        """Handle all due times of one entry that have come. Returns when to look at it again."""
        while (entry := self._entries.get(key)) is not None and not self._stopping:
            state = self.states[key]
            before = state.next_due, state.last_due
            found = step(entry, state, now, self._running[key])
            if found.kind == "wait":
                return found.until if found.until is not None else now + LOOK_S
            if found.kind == "fire" and not await self._fire(entry, state, found, before):
                return now + RETRY_SAVE_S
            if found.kind == "again":
                await self._save_or_warn()
        return now + LOOK_S

    async def _fire(
        self, entry: Entry, state: EntryState, found: Step, before: tuple[float | None, float | None]
    ) -> bool:
        record = state.note(Record(due_at=found.due, started_at=self._clock.time()))
        # Counted before anybody else may run, so that no two runs begin where one may.
        self._begin(entry.key)
        if not await self._save_or_warn():
            state.next_due, state.last_due = before
            state.history.remove(record)
            self._forget(entry.key)
            return False
        self._runs.spawn(self._run(entry, record), entry.key)
        return True

    # -- runs ------------------------------------------------------------------------------------------------

    def _spawn(self, entry: Entry, record: Record) -> None:
        self._begin(entry.key)
        self._runs.spawn(self._run(entry, record), entry.key)

    def _begin(self, key: str) -> None:
        self._running[key] += 1
        self._idle.clear()

    def _forget(self, key: str) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        if not self._running:
            self._idle.set()

    def _end(self, key: str) -> None:
        self._forget(key)
        self._wake.set()  # a due time may have waited for this

    async def _run(self, entry: Entry, record: Record) -> None:
        try:
            result = await _guarded(self.name, entry)
            record.status, record.error, record.cause = result.status, result.error, result.cause
        except BaseException:
            record.status, record.error = "cancelled", "It was given up when the server ended."
            raise
        finally:
            record.ended_at = self._clock.time()
            self._version += 1
            self._end(entry.key)
        await self._save_or_warn()

    # -- storing ---------------------------------------------------------------------------------------------

    async def _save_changes(self) -> None:
        self._version += 1
        wanted = self._version
        async with self._saving:
            if self._saved >= wanted:
                return  # somebody who saved meanwhile has saved this as well
            version = self._version
            await self._store.save(self.states)
            self._saved = version

    async def _save_or_warn(self) -> bool:
        try:
            await self._save_changes()
        except OSError as error:
            logger.error("%s: the state of scheduled jobs could not be stored: %s", self.name, error)
            return False
        return True


async def _guarded(name: str, entry: Entry) -> Result:
    try:
        return await entry.run()
    except CopawError as error:
        return Result("error", error.message)
    except Exception as error:  # supervisor of a job: its failure is its result
        logger.exception("%s: %s failed", name, entry.key)
        return Result("error", f"{type(error).__name__}: {error}")
