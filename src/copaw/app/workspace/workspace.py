"""A workspace: one generation of an agent, from its first resource opened to its last one closed.

One task lives the whole life of a generation. It opens the resources, says that they are ready, waits until the
generation is retired, drains it, and closes what it opened, in one ``async with``. Opening and closing in the
same task is not taste: a cancel scope entered by one task and left by another breaks both.

What others do is synchronous and small: ``serve`` and ``retire`` move the state, ``leases.acquire`` takes hold,
``expire`` shortens the drain. None of them awaits, so none can be overtaken half-way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from copaw.aiokits.lease import Gate, Lease, LeaseSet
from copaw.app.workspace.stall import StallReport
from copaw.app.workspace.state import FINAL, WorkspaceState, checked
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import EndReason
from copaw.ports import TurnRunner

logger = logging.getLogger(__name__)

OpenResources = Callable[[AgentSnapshot], AbstractAsyncContextManager[TurnRunner]]
"""Opens everything a generation needs, with no side effect on the outside, and closes it again."""

DEFAULT_UNWIND_S = 10.0


class Workspace:
    """One generation.

    :param generation: 1, 2, 3, ... within the agent.
    :param open_resources: entered and left by this workspace's own task.
    :param unwind_s: how long a run that was asked to end may take before it is abandoned.
    :param clock: seconds since the epoch, for what people see.
    """

    def __init__(
        self,
        snapshot: AgentSnapshot,
        generation: int,
        open_resources: OpenResources,
        *,
        unwind_s: float = DEFAULT_UNWIND_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot = snapshot
        self.generation = generation
        self.leases = LeaseSet(asyncio.get_running_loop().time)
        self.state = WorkspaceState.BUILDING
        self.clock = clock
        self.created_at = clock()
        self.serving_since: float | None = None
        self.retired_at: float | None = None
        self.drain_deadline: float | None = None
        self.error: BaseException | None = None
        self.expired_causes: list[str] = []
        self._open_resources = open_resources
        self._unwind_s = unwind_s
        self._runner: TurnRunner | None = None
        self._settled = asyncio.Event()
        self._retired = asyncio.Event()
        self._expire_reason: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Workspace {self.name} {self.state} leases={len(self.leases)}>"

    @property
    def agent_id(self) -> str:
        return self.snapshot.agent_id

    @property
    def name(self) -> str:
        """``<agent id>#<generation>``, as the log says it."""
        return f"{self.agent_id}#{self.generation}"

    @property
    def runner(self) -> TurnRunner:
        """What runs turns. Only who holds a lease may ask for it."""
        if self._runner is None:
            raise RuntimeError(f"workspace {self.name} is {self.state}: its runner cannot be used")
        return self._runner

    def _to(self, state: WorkspaceState) -> None:
        self.state = checked(f"workspace {self.name}", self.state, state)

    # -- moves, all synchronous ------------------------------------------------------------------------------

    def serve(self) -> None:
        """From here on this generation takes new work."""
        self._to(WorkspaceState.SERVING)
        self.serving_since = self.clock()

    def retire(self, grace_s: float | None) -> None:
        """Take no new work; close when the last lease is gone or ``grace_s`` seconds have passed."""
        self._to(WorkspaceState.DRAINING)
        self.leases.gate = Gate.CHILDREN
        self.retired_at = self.clock()
        self.drain_deadline = None if grace_s is None else self.retired_at + grace_s
        self._retired.set()

    def expire(self, reason: EndReason) -> None:
        """End the drain now: whoever still holds a lease is asked to stop because of ``reason``."""
        if not self._expire_reason.done():
            self._expire_reason.set_result(reason)

    # -- its life, in one task -------------------------------------------------------------------------------

    def start(self) -> asyncio.Task[None]:
        """Start the task that lives this generation's life."""
        self._task = asyncio.create_task(self._live(), name=f"workspace:{self.name}")
        return self._task

    async def wait_ready(self) -> None:
        """Wait until it is ready.

        :raises BaseException: what made the start fail.
        """
        await self._settled.wait()
        if self.error is not None:
            raise self.error

    def give_up(self) -> None:
        """Break off the start of a generation that is not to serve. It closes what it had opened by itself."""
        if self._task is None:
            raise RuntimeError(f"workspace {self.name} was never started")
        if self.state in (WorkspaceState.BUILDING, WorkspaceState.READY):
            self._to(WorkspaceState.SUPERSEDED)
            self._task.cancel()
            # Said here too: a task that is cancelled before its first step never gets to say it.
            self._settled.set()

    async def discard(self) -> None:
        """Give up a generation that never served, and wait until everything it had opened is closed."""
        self.give_up()
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until its task has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def on_closed(self, callback: Callable[[Workspace], None]) -> None:
        """Call ``callback`` as soon as its task has ended."""
        if self._task is None:
            raise RuntimeError(f"workspace {self.name} was never started")
        self._task.add_done_callback(lambda _task: callback(self))

    async def _live(self) -> None:
        try:
            async with self._open_resources(self.snapshot) as runner:
                self._runner = runner
                self._to(WorkspaceState.READY)
                self._settled.set()
                await self._retired.wait()
                await self._drain()
                self.leases.gate = Gate.SHUT
                self._to(WorkspaceState.CLOSING)
                self._runner = None
        except asyncio.CancelledError:
            if self.state is not WorkspaceState.SUPERSEDED:
                self._failed(RuntimeError(f"the start of workspace {self.name} was cancelled"))
        except Exception as error:  # noqa: BLE001 - supervisor of a generation: the failure is its outcome
            self._failed(error)
        finally:
            self._runner = None
            self.leases.gate = Gate.SHUT
            if self.state is WorkspaceState.CLOSING:
                self._to(WorkspaceState.CLOSED)
            self._settled.set()

    def _failed(self, error: BaseException) -> None:
        if self.state is WorkspaceState.SUPERSEDED:
            logger.error("workspace %s was given up and did not close cleanly", self.name, exc_info=error)
            return
        self.error = error
        if self.state in (WorkspaceState.BUILDING, WorkspaceState.READY):
            self._to(WorkspaceState.FAILED)
        elif self.state not in FINAL:
            logger.error("workspace %s failed while %s", self.name, self.state, exc_info=error)

    async def _drain(self) -> None:
        reason = await self._wait_for_drain()
        if reason is None:
            return
        left = list(self.leases)
        logger.warning(
            "workspace %s: drain ended by %s with %d leases left: %s",
            self.name, reason, len(left), ", ".join(f"{lease.kind} {lease.key}" for lease in left),
        )  # fmt: skip
        for lease in left:
            lease.end(reason)
        self.expired_causes = [lease.end_reason or reason for lease in left]
        if not await self._emptied(self._unwind_s):
            for lease in self.leases:
                self._abandon(lease, reason)

    async def _wait_for_drain(self) -> EndReason | None:
        """Wait until no lease is left (``None``), or say why waiting has ended."""
        loop = asyncio.get_running_loop()
        grace_s = self._grace_s()
        deadline = None if grace_s is None else loop.time() + grace_s
        stalls = StallReport(self.name)
        empty = asyncio.ensure_future(self.leases.wait_empty())
        waits: set[asyncio.Future[Any]] = {empty, self._expire_reason}
        try:
            while True:
                limits = (
                    None if deadline is None else deadline - loop.time(),
                    stalls.next_in(self.leases, loop.time()),
                )
                timeout_s = min((limit for limit in limits if limit is not None), default=None)
                await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not len(self.leases):
                    return None
                if self._expire_reason.done():
                    return self._expire_reason.result()
                if deadline is not None and loop.time() >= deadline:
                    return EndReason.RELOAD_GRACE_EXPIRED
                stalls.report(self.leases, loop.time())
        finally:
            empty.cancel()

    def _grace_s(self) -> float | None:
        if self.drain_deadline is None or self.retired_at is None:
            return None
        return self.drain_deadline - self.retired_at

    async def _emptied(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self.leases.wait_empty()
        except TimeoutError:
            return False
        return True

    def _abandon(self, lease: Lease, reason: EndReason) -> None:
        # A child that was leased while its parent unwound was never asked; its reason is recorded all the same.
        lease.end(reason)
        logger.error(
            "workspace %s: %s %r did not end within %g s and is abandoned",
            self.name, lease.kind, lease.key, self._unwind_s,
        )  # fmt: skip
        self.leases.abandon(lease)
