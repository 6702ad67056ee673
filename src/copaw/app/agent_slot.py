"""What of an agent outlives its reloads.

An agent is a configured identity; a workspace is one started generation of it. The slot keeps the current
generation and those that drain, and one reconcile task that does everything which changes them: start, reload,
disable, enable, delete. Callers only say what they want and, if they like, wait for the outcome. So requests
coalesce, and none of them can bring back what a later one has closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from copaw.aiokits.events import wait_quiet
from copaw.aiokits.lease import NO_LABELS, Gate, Lease
from copaw.app.ingress.port import Ingress, NoIngress
from copaw.app.reloads.drains import Drains
from copaw.app.reloads.observer import LifecycleObserver, NoObserver
from copaw.app.reloads.outcome import Outcome, ReloadOutcome
from copaw.app.reloads.revisions import Revisions
from copaw.app.reloads.settings import Changed, ReadSnapshot, SlotSettings
from copaw.app.runner.task_tracker import TaskTracker
from copaw.app.workspace import AgentSnapshot, Workspace
from copaw.app.workspace.workspace import OpenResources
from copaw.errors import (
    AgentDisabled,
    AgentNotFound,
    AgentNotServing,
    CopawError,
    EndReason,
    ServerClosing,
    sentence_of,
)

logger = logging.getLogger(__name__)

MAX_SUPERSEDED_IN_A_ROW = 3
"""After so many discarded candidates the next one is committed, so that a stream of edits cannot starve itself."""

_STOPPED = {EndReason.AGENT_DISABLED: "disabled", EndReason.AGENT_DELETED: "deleted"}


class AgentSlot:
    """One agent, over all its generations."""

    def __init__(
        self,
        agent_id: str,
        *,
        read_snapshot: ReadSnapshot,
        open_resources: OpenResources,
        changed_fields: Changed,
        tracker: TaskTracker,
        settings: SlotSettings,
        ingress: Ingress | None = None,
        observer: LifecycleObserver | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.tracker = tracker
        self.current: Workspace | None = None
        observer = observer or NoObserver()
        self.draining = Drains(agent_id, observer)
        self.revisions = Revisions(agent_id, observer)
        self._read_snapshot = read_snapshot
        self._open_resources = open_resources
        self._changed_fields = changed_fields
        self._settings = settings
        self._ingress = ingress or NoIngress()
        self._generation = 0
        self._candidate: Workspace | None = None
        self._superseded = 0
        self._stop_reason: EndReason | None = None
        self._stops = 0
        self._max_draining = 1
        self._dirty = asyncio.Event()
        self.ingress_applied = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- the one way to a workspace --------------------------------------------------------------------------

    def acquire(
        self, kind: str, key: str = "", labels: Mapping[str, str] = NO_LABELS, parent: Lease | None = None
    ) -> tuple[Workspace, Lease]:
        """Look up the current workspace and lease it, in one step without an await.

        :param parent: as long as it is live, its workspace is leased instead, even if that drains.
        :raises AgentDisabled, AgentNotFound, ServerClosing, AgentNotServing: why there is none to lease.
        """
        if self._stop_reason is not None:
            self._refuse(self._stop_reason)
        workspace = self._workspace_of(parent) or self.current
        if workspace is None:
            why = "it is still starting" if self.starting else self._why_not()
            raise AgentNotServing(self.agent_id, why)
        return workspace, workspace.leases.acquire(kind, key, labels, parent)

    def _workspace_of(self, lease: Lease | None) -> Workspace | None:
        if lease is None:
            return None
        holders = (workspace for workspace in self.generations() if lease in workspace.leases)
        return next((workspace for workspace in holders if workspace.leases.gate is not Gate.SHUT), None)

    def _refuse(self, reason: EndReason) -> None:
        match reason:
            case EndReason.AGENT_DISABLED:
                raise AgentDisabled(self.agent_id)
            case EndReason.AGENT_DELETED:
                raise AgentNotFound(self.agent_id)
            case _:
                raise ServerClosing

    def _why_not(self) -> str:
        last = self.revisions.last
        return (last.error if last is not None else None) or "it was never started"

    @property
    def starting(self) -> bool:
        """Nothing serves yet, and what was asked for has no outcome yet."""
        return self.current is None and self.revisions.pending

    @property
    def state(self) -> str:
        """``serving``, ``starting``, ``failed``, or why it was stopped."""
        if self._stop_reason is not None:
            return _STOPPED.get(self._stop_reason, "closing")
        if self.current is not None:
            return self.current.state.value
        return "starting" if self.starting else "failed"

    # -- asking for something ----------------------------------------------------------------------------------

    def request(self, stop_reason: EndReason | None = None, *, later: bool = False) -> asyncio.Future[ReloadOutcome]:
        """Ask that the present configuration is applied, or that the agent stops because of ``stop_reason``.

        A stop takes effect here and now; a candidate under way is discarded. The future may be ignored.

        :param later: if the agent was never started, it is when :meth:`begin` is called or somebody needs it.
        """
        outcome = self.revisions.want()
        self._stop_reason = stop_reason
        self._dirty.set()
        if self._candidate is not None and (stop_reason is not None or self._may_supersede):
            # It would be discarded once it is ready; it may take long, or for ever, to get there.
            self._candidate.give_up()
        if stop_reason is not None:
            self._stops += 1
            self._stop(stop_reason)
        if not later:
            self._begin()
        return outcome

    def begin(self) -> None:
        """Do what was asked for later. Harmless when that has begun, or the agent was stopped meanwhile."""
        if self.starting and self._stop_reason is None:
            self._begin()

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._reconcile(), name=f"reconcile:{self.agent_id}")

    async def wait_started(self) -> None:
        """Wait until the agent serves, or it is known why it does not."""
        while self.starting and self.revisions.awaited:
            self.begin()
            await self.revisions.wait_latest()

    def generations(self) -> list[Workspace]:
        """The draining generations and the current one, oldest first."""
        return [*self.draining.values(), *([self.current] if self.current is not None else [])]

    # -- the reconcile task ----------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self.current is not None:
                await self._settle(self.current)
            await self._hold()
            if self._stop_reason is None:
                await self._apply()
            await self._ingress.apply(self.current.snapshot if self.current is not None else None)
            self.ingress_applied.set()

    async def _settle(self, current: Workspace) -> None:
        settle_s = current.snapshot.profile.running.reload_settle_seconds
        await wait_quiet(self._dirty, settle_s, max(settle_s, self._settings.settle_max_s))

    async def _hold(self) -> None:
        """Wait while as many generations drain as may. No work is ended for it.

        Whoever waits is told so and let go: one of them may be the very work that keeps a generation draining.
        """
        while self._stop_reason is None and len(self.draining) >= self._max_draining:
            logger.warning("agent %s: %d generations drain; the reload is held", self.agent_id, len(self.draining))
            self.revisions.hold(self._generation_now(), len(self.draining))
            self._dirty.clear()
            await self.draining.wait_fewer(self._dirty)

    def _generation_now(self) -> int:
        return self.current.generation if self.current is not None else 0

    @property
    def _may_supersede(self) -> bool:
        return self._superseded < MAX_SUPERSEDED_IN_A_ROW

    async def _apply(self) -> None:
        """Apply the configuration as it is now, unless something newer is wanted by the time it could be."""
        self._dirty.clear()
        revision, stops = self.revisions.wanted, self._stops
        try:
            snapshot = await self._read_snapshot(self.agent_id)
            if stops != self._stops:
                return
            if self.current is not None and self.current.snapshot.digest == snapshot.digest:
                self._finish(revision, Outcome.UNCHANGED)
                return
            # Compared before the swap, which does nothing but move. Only this task puts another one in place.
            changed = self._changed_fields(self.current.snapshot, snapshot) if self.current is not None else []
            candidate = await self._build(snapshot)
        except Exception as error:  # supervisor of builds: a failed build is an outcome
            unexpected = not isinstance(error, CopawError)
            logger.warning("agent %s: reload failed: %s", self.agent_id, error, exc_info=unexpected)
            if stops == self._stops:
                self._finish(revision, Outcome.FAILED, error=sentence_of(error))
            return
        stopped = stops != self._stops
        if stopped or (self.revisions.wanted != revision and self._may_supersede):
            logger.info("agent %s: candidate %d is superseded", self.agent_id, candidate.generation)
            self._superseded += not stopped
            await self._discard(candidate)
            return
        self._swap(revision, candidate, changed)

    async def _build(self, snapshot: AgentSnapshot) -> Workspace:
        """Start a candidate. If that fails or is cancelled, nothing of it is left."""
        candidate = Workspace(snapshot, self._generation + 1, self._open_resources, unwind_s=self._settings.unwind_s)
        candidate.start()
        self._candidate = candidate
        try:
            async with asyncio.timeout(self._settings.build_s) as limit:
                await candidate.wait_ready()
        except BaseException as error:
            await self._discard(candidate)
            if limit.expired():
                raise TimeoutError(f"the start took longer than {self._settings.build_s:g} s") from error
            raise
        return candidate

    async def _discard(self, candidate: Workspace) -> None:
        # It stays the candidate while it closes, so that a shutdown that breaks in here waits for it too.
        await candidate.discard()
        self._candidate = None

    def _swap(self, revision: int, candidate: Workspace, changed: list[str]) -> None:
        """Put the candidate in place. One synchronous step: nobody can look in between."""
        old, self.current, self._candidate = self.current, candidate, None
        self._generation = candidate.generation
        self._max_draining = candidate.snapshot.profile.running.max_draining
        candidate.serve()
        if old is not None:
            # The newest configuration says how long; whoever lengthens or shortens the grace means this drain too.
            self.draining.retire(old, candidate.snapshot.reload_grace_s)
        self._finish(revision, Outcome.SWAPPED, changed=changed)

    def _stop(self, reason: EndReason) -> None:
        self._retire_current()
        self.draining.expire_all(reason)
        self._finish(self.revisions.wanted, Outcome.STOPPED)

    def _retire_current(self) -> None:
        current, self.current = self.current, None
        if current is not None:
            self.draining.retire(current, None)

    def _finish(
        self, revision: int, outcome: Outcome, *, changed: list[str] | None = None, error: str | None = None
    ) -> None:
        self._superseded = 0
        self.revisions.finish(revision, outcome, self._generation_now(), changed=changed, error=error)

    # -- the end -------------------------------------------------------------------------------------------------

    async def aclose(self, reason: EndReason, grace_s: float = 0.0) -> None:
        """Stop, let every generation drain for at most ``grace_s`` seconds, then end what is left."""
        self._stop_reason = reason
        self._ingress.refuse_new()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._candidate is not None:
            await self._discard(self._candidate)
        self._retire_current()
        await self.draining.drain(grace_s, reason)
        # Last: what ended during the drain has an answer to deliver.
        await self._ingress.aclose()
        self.revisions.close(ServerClosing())
