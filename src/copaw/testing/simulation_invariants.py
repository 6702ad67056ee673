"""The thirteen invariants of the reload lifecycle, checked from outside while a world of agents moves.

:meth:`Invariants.check` belongs between any two steps of the loop, :meth:`Invariants.check_counts` every now and
then, :meth:`Invariants.check_rest` when everything was shut down. Each raises ``AssertionError`` with the number of
the invariant that does not hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from copaw.aiokits.lease import Lease
from copaw.app.agent_slot import MAX_SUPERSEDED_IN_A_ROW, AgentSlot
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import Outcome, ReloadOutcome
from copaw.app.runner.task_tracker import Run
from copaw.app.workspace import Workspace, WorkspaceState
from copaw.errors import EndReason
from copaw.testing.fake_agents import GENERATION, FakeRunner, FakeWorld

_OVER = (WorkspaceState.CLOSING, WorkspaceState.CLOSED)


@dataclass
class _Seen:
    """What was seen of one agent so far."""

    current: Workspace | None = None
    applied: int = 0
    revision: int = -1
    stopped: bool = False
    wanted_at_read: int = 0
    wanted_at_build: int = 0
    tries_since_outcome: int = 0
    open: list[Workspace] = field(default_factory=list)
    leaving: set[int] = field(default_factory=set)
    serials: dict[int, int] = field(default_factory=dict)
    held: dict[int, dict[int, Lease]] = field(default_factory=dict)


class Invariants:
    """Watches one manager over one world.

    It is the manager's observer, so that it sees each outcome in the very step in which it comes about.
    """

    def __init__(self, world: FakeWorld) -> None:
        self.checks = 0
        self._world = world
        self._manager: MultiAgentManager | None = None
        self._seen: dict[str, _Seen] = {}
        world.on_read = self._read
        world.on_build = self._build_began
        world.observer = self

    def watch(self, manager: MultiAgentManager) -> None:
        """The manager made over the world."""
        self._manager = manager

    @property
    def _closing(self) -> bool:
        return self._manager is not None and self._manager.closing

    def of(self, agent_id: str) -> _Seen:
        return self._seen.setdefault(agent_id, _Seen())

    def _slot(self, agent_id: str) -> AgentSlot:
        assert self._manager is not None
        return self._manager.slot(agent_id)

    # -- told by whoever drives the world, in the same step --------------------------------------------------------

    def stopping(self, agent_id: str) -> None:
        """The agent is disabled or deleted in this step: what drains now may exceed the bound."""
        seen = self.of(agent_id)
        seen.stopped = True
        slot = self._slot(agent_id)
        seen.leaving |= {workspace.generation for workspace in slot.generations()}
        self._follow(slot, seen)

    def starting(self, agent_id: str) -> None:
        """The agent is started, or brought back, in this step."""
        self.of(agent_id).stopped = False

    def leased(self, agent_id: str, generation: int, lease: Lease) -> None:
        """Invariant 6: this fresh lease was given just now, so its workspace serves just now.

        The child of a live lease of the same generation is not fresh: that generation may drain.
        """
        slot, seen = self._slot(agent_id), self.of(agent_id)
        if not self._is_child(seen, generation, lease):
            current = slot.current
            assert current is not None, f"invariant 6: {agent_id} gave a lease and does not serve"
            assert current.generation == generation, f"invariant 6: {agent_id} leased #{generation}, serves {current}"
            assert current.state is WorkspaceState.SERVING, f"invariant 6: {agent_id} leased {current}"
            self._follow(slot, seen)
        seen.held[generation][lease.id] = lease

    @staticmethod
    def _is_child(seen: _Seen, generation: int, lease: Lease) -> bool:
        parent = lease.parent
        return parent is not None and not parent.released and parent.id in seen.held.get(generation, {})

    # -- told by the world itself ----------------------------------------------------------------------------------

    def _read(self, agent_id: str) -> None:
        seen = self.of(agent_id)
        seen.wanted_at_read = self._slot(agent_id).revisions.wanted
        seen.tries_since_outcome += 1  # Not the builds: one may be given up before its first step.

    def _build_began(self, agent_id: str) -> None:
        """Invariant 12: a build needs a wish that no earlier build has seen."""
        seen = self.of(agent_id)
        if seen.wanted_at_read <= seen.wanted_at_build:
            self._world.violations.append(f"invariant 12: {agent_id} builds again for the wish {seen.wanted_at_read}")
        seen.wanted_at_build = seen.wanted_at_read

    def reloaded(self, agent_id: str, report: ReloadOutcome) -> None:
        """Invariants 7 and 9: what an outcome may have changed, and what not."""
        seen, slot = self.of(agent_id), self._slot(agent_id)
        if report.outcome is Outcome.SWAPPED:
            overtaken = (
                slot.revisions.wanted > slot.revisions.applied and seen.tries_since_outcome <= MAX_SUPERSEDED_IN_A_ROW
            )
            if overtaken or seen.stopped:
                why = "stopped" if seen.stopped else "wanted anew"
                self._world.violations.append(f"invariant 7: {agent_id} was swapped though it was {why} meanwhile")
        elif report.outcome is not Outcome.STOPPED and slot.current is not seen.current:
            self._world.violations.append(f"invariant 9: {agent_id} changed although its reload {report.outcome}")
        seen.tries_since_outcome = 0

    def closed(self, workspace: Workspace) -> None:
        """Invariant 2: whatever is closed is held by nobody."""
        if len(workspace.leases):
            self._world.violations.append(f"invariant 2: {workspace} has closed and is held")

    # -- between any two steps -------------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold at any time, and costs little to see."""
        if self._manager is None:
            return
        self.checks += 1
        for slot in self._manager.slots():
            seen = self.of(slot.agent_id)
            self._follow(slot, seen)
            self._one_serves(slot, seen)
            self._never_back(slot, seen)
            self._bounded(slot, seen)
            self._nobody_in_what_is_over(seen)
        if self._world.violations:
            raise AssertionError("; ".join(self._world.violations))
        if not self.checks % 64:
            self.check_counts()

    def _follow(self, slot: AgentSlot, seen: _Seen) -> None:
        current = slot.current
        if current is seen.current:
            return
        seen.current = current
        if current is None:
            return
        revision = current.snapshot.revision
        assert revision >= seen.revision, f"invariant 7: {slot.agent_id} went back to revision {revision}"
        seen.revision = revision
        seen.open.append(current)
        seen.held[current.generation] = {}
        assert isinstance(current.runner, FakeRunner)
        seen.serials[current.generation] = current.runner.serial

    def _one_serves(self, slot: AgentSlot, seen: _Seen) -> None:
        serving = [workspace for workspace in seen.open if workspace.state is WorkspaceState.SERVING]
        assert len(serving) <= 1, f"invariant 1: {slot.agent_id} serves twice: {serving}"
        if self._closing:
            return
        if seen.stopped:
            assert not serving, f"invariant 1: {slot.agent_id} is stopped and serves {serving}"
        elif seen.open and not seen.leaving.issuperset(workspace.generation for workspace in seen.open):
            assert serving == [slot.current], f"invariant 1: {slot.agent_id} serves {serving}, not {slot.current}"

    def _never_back(self, slot: AgentSlot, seen: _Seen) -> None:
        applied, wanted = slot.revisions.applied, slot.revisions.wanted
        assert applied >= seen.applied, f"invariant 7: {slot.agent_id} applied {applied} after {seen.applied}"
        assert applied <= wanted, f"invariant 7: {slot.agent_id} applied what nobody wanted"
        seen.applied = applied

    def _bounded(self, slot: AgentSlot, seen: _Seen) -> None:
        if len(slot.draining) > 1 and not self._closing:
            drain = [generation for generation in slot.draining if generation not in seen.leaving]
            bound = self._world.configs[slot.agent_id].max_draining
            assert len(drain) <= bound, f"invariant 10: {slot.agent_id} drains {drain}, more than {bound}"
            # A stop is not held: it retires what serves there and then.
            assert len(slot.draining) <= bound + 1, f"invariant 10: {slot.agent_id} drains {[*slot.draining]}"

    def _nobody_in_what_is_over(self, seen: _Seen) -> None:
        for workspace in seen.open:
            if workspace.state in _OVER:
                left = [lease for lease in workspace.leases if lease.end_reason is None]
                assert not left, f"invariant 2: {workspace} is held by {left}"
        if any(workspace.state is WorkspaceState.CLOSED for workspace in seen.open):
            self._count(seen)
            seen.open = [workspace for workspace in seen.open if workspace.state is not WorkspaceState.CLOSED]

    def check_counts(self) -> None:
        """Invariants 3 and 4, where every lease and shared resource is looked at."""
        for seen in self._seen.values():
            self._count(seen)
            if seen.current is not None and isinstance(runner := seen.current.runner, FakeRunner):
                runner.check_pooled()

    def _count(self, seen: _Seen) -> None:
        for workspace in seen.open:
            held = seen.held[workspace.generation]
            for lease_id in [lease_id for lease_id, lease in held.items() if lease.released]:
                del held[lease_id]
            live = {lease.id for lease in workspace.leases}
            assert live == held.keys(), f"invariant 4: {workspace} counts {live}, its holders hold {set(held)}"
            doubles = workspace.leases.statistics().double_releases
            assert not doubles, f"invariant 3: {workspace} saw {doubles} leases released twice"

    # -- at the end --------------------------------------------------------------------------------------------------

    def check_runs(self, runs: Iterable[tuple[str, Run]], stopped_by_user: set[str]) -> None:
        """Invariants 5 and 11 for runs that should have ended: one terminal event, one generation, a true cause."""
        for agent_id, run in runs:
            ends = [event.terminal for event in run.events]
            assert ends.count(True) == 1, f"invariant 11: a run of {agent_id} has {ends.count(True)} terminal events"
            assert ends[-1], f"invariant 11: a run of {agent_id} said something after its end"
            serials = {event.payload[GENERATION] for event in run.events if GENERATION in event.payload}
            own = {self.of(agent_id).serials[run.generation]}
            assert serials <= own, f"invariant 5: a run of {agent_id}#{run.generation} has events of {serials - own}"
            assert run.lease.released, f"invariant 11: the lease of a run of {agent_id} is left over"
            self._true_cause(run, stopped_by_user)

    def _true_cause(self, run: Run, stopped_by_user: set[str]) -> None:
        told = (run.events[-1].payload.get("error") or {}).get("reason")
        stored = run.lease.end_reason
        assert told in (None, stored), f"section 6: a run was ended by {stored} and tells {told}"
        if told == EndReason.USER_STOP:
            assert run.id in stopped_by_user, "section 6: a run tells that its user stopped it, and nobody did"

    def check_calm(self) -> None:
        """Invariant 11 after the last change has had its time: what is wanted is applied, nothing drains."""
        assert self._manager is not None
        for slot in self._manager.slots():
            assert not slot.draining, f"invariant 11: {slot.agent_id} still drains {slot.draining}"
            assert not slot.revisions.pending, f"invariant 11: {slot.agent_id} never applied what was wanted"
            if not self.of(slot.agent_id).stopped:
                want, current = self._world.configs[slot.agent_id].digest, slot.current
                have = current.snapshot.digest if current is not None else "nothing"
                assert have == want, f"invariant 11: {slot.agent_id} serves {current}, which is not what is wanted"
            self._inbound(slot.agent_id)

    def _inbound(self, agent_id: str) -> None:
        ingress = self._world.ingresses.get(agent_id)
        if ingress is None:
            return
        doubled = [message for message, count in ingress.handled.items() if count > 1]
        assert not doubled, f"invariant 13: {agent_id} handled {doubled} more than once"
        lost = ingress.received - ingress.handled.keys() - set(ingress.queue)
        assert not lost, f"invariant 13: {agent_id} lost {lost}"
        if not self.of(agent_id).stopped:
            assert not ingress.queue, f"invariant 13: {agent_id} serves and leaves {list(ingress.queue)} unhandled"

    def check_rest(self, waiters: Iterable[asyncio.Future[ReloadOutcome]]) -> None:
        """Invariant 11 after the shutdown: nothing is left over, and everybody who waited was answered."""
        world = self._world
        assert not world.open_now, f"invariant 11: still open: {world.open_now}"
        assert world.opened == world.closed, "invariant 3: something was closed more often than opened"
        left = [key for key, count in world.pool_open.items() if count]
        assert not left, f"invariant 11: still open in the pool: {left}"
        assert not world.pool.statistics().double_releases, "invariant 3: a pooled resource was released twice"
        assert not world.ports.holders, f"invariant 8: ports still held: {world.ports.holders}"
        tasks = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not tasks, f"invariant 11: tasks left over: {tasks}"
        unanswered = sum(not waiter.done() for waiter in waiters)
        assert not unanswered, f"invariant 11: {unanswered} reload requests have no outcome"
