"""A state machine over the real manager: any order of requests, edits, stops and time keeps every invariant.

The invariants are those of ``copaw.testing.simulation_invariants``; they are checked between any two steps of the
loop and after every rule, and the last of them, that nothing is left over, when the example ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from copaw.aiokits.lease import Lease, LeaseRefused
from copaw.app.reloads.outcome import Outcome, ReloadOutcome
from copaw.app.runner.task_tracker import Run
from copaw.app.workspace import Workspace, WorkspaceState
from copaw.errors import CopawError, EndReason
from copaw.testing.fake_agents import FakeWorld
from copaw.testing.fake_ingress import IngressConfig
from copaw.testing.fake_runs import Manner, Plan, Runs
from copaw.testing.simulation_invariants import Invariants
from copaw.testing.simulation_loop import VirtualTimeLoop

AGENTS = ("a", "b")
UNWIND_S = 0.5
BUILD_S = 2.0
LONGEST_RUN_S = 8.0

agents = st.sampled_from(AGENTS)
plans = st.builds(
    Plan,
    manner=st.sampled_from(Manner),
    steps=st.integers(0, 3),
    step_s=st.sampled_from((0.0, 0.05, 1.0)),
    tail_s=st.sampled_from((0.0, 0.2, 1.5)),
)


class LifecycleMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = FakeWorld()
        self.laws = Invariants(self.world)
        self.loop = VirtualTimeLoop(self.laws.check)
        self.waiters: list[asyncio.Future[ReloadOutcome]] = []
        self.held: list[tuple[str, Workspace, Lease]] = []
        self.edits = 0
        self.messages = 0

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run(work)

    # -- beginning and end -----------------------------------------------------------------------------------------

    @initialize(max_draining=st.sampled_from((1, 2, 8)), connect_s=st.sampled_from((0.0, 0.05)))
    def begin(self, max_draining: int, connect_s: float) -> None:
        async def course() -> None:
            self.manager = self.world.manager(build_s=BUILD_S, unwind_s=UNWIND_S)
            self.laws.watch(self.manager)
            self.runs = Runs(self.world, self.manager, edit=self.change, started=self.started)
            for agent_id in AGENTS:
                self.world.configure(agent_id, revision=0, max_draining=max_draining, settle_s=0.02)
                self.world.bring(agent_id, lambda message, to=agent_id: self.deliver(to, message), connect_s=connect_s)
                self.waiters.append(self.manager.start_agent(agent_id))
            await asyncio.sleep(0.1)

        self.do(course())

    def teardown(self) -> None:
        async def course() -> None:
            for agent_id in AGENTS:
                self.world.configure(agent_id, hang=False, build_s=0.0, build_error="", invalid="")
            await self.manager.stop_all(0.1)
            for _, _, lease in self.held:
                assert lease.released, "invariant 11: a lease outlived the shutdown"
            await asyncio.sleep(LONGEST_RUN_S)
            await self.world.pool.aclose()
            self.laws.check_runs(self.runs.accepted, self.runs.stopped_by_user)
            self.laws.check_rest(self.waiters)

        try:
            self.do(course())
        finally:
            self.loop.end()

    # -- changes ---------------------------------------------------------------------------------------------------

    def change(self, agent_id: str, **values: object) -> None:
        self.edits += 1
        self.world.configure(agent_id, **{"value": self.edits, "revision": self.edits, **values})

    def stopped(self, agent_id: str) -> bool:
        return self.laws.of(agent_id).stopped

    @rule(
        agent_id=agents,
        grace_s=st.sampled_from((0.0, 0.3, 5.0, None)),
        pooled=st.dictionaries(st.sampled_from(("mcp0", "mcp1")), st.integers(0, 1)),
        port=st.integers(0, 1),
        every_s=st.sampled_from((0.0, 0.25)),
    )
    def edit(self, agent_id: str, grace_s: float | None, pooled: dict[str, int], port: int, every_s: float) -> None:
        own = port and port + 10 * AGENTS.index(agent_id)
        self.change(agent_id, grace_s=grace_s, pooled=pooled, ingress=IngressConfig(own, every_s))

    @rule(agent_id=agents, value=st.integers(0, 1))
    def edit_back_and_forth(self, agent_id: str, value: int) -> None:
        self.change(agent_id, value=value)

    @rule(agent_id=agents, fault=st.sampled_from(("", "running.max_iters: must be at least 1")))
    def edit_badly(self, agent_id: str, fault: str) -> None:
        self.world.configure(agent_id, invalid=fault)

    @rule(
        agent_id=agents,
        build_s=st.sampled_from((0.0, 0.1, 1.0)),
        close_s=st.sampled_from((0.0, 0.1)),
        error=st.sampled_from(("", "", "refused")),
        hang=st.sampled_from((False, False, True)),
        refused=st.sampled_from((frozenset[str](), frozenset({"mcp0"}))),
    )
    def builds_go(
        self, agent_id: str, build_s: float, close_s: float, error: str, hang: bool, refused: frozenset[str]
    ) -> None:
        self.world.configure(agent_id, build_s=build_s, close_s=close_s, build_error=error, hang=hang, refused=refused)

    @rule(agent_id=agents, times=st.integers(1, 4), wait=st.booleans())
    def reload(self, agent_id: str, times: int, wait: bool) -> None:
        async def course() -> None:
            asked = [self.manager.request_reload(agent_id) for _ in range(times)]
            self.waiters += asked
            await asyncio.sleep(0)
            if wait:
                await asyncio.wait(asked, timeout=3.0)

        if not self.stopped(agent_id):
            self.do(course())

    @rule(
        agent_id=agents,
        reason=st.sampled_from((EndReason.AGENT_DISABLED, EndReason.AGENT_DELETED)),
        wait=st.booleans(),
    )
    def stop(self, agent_id: str, reason: EndReason, wait: bool) -> None:
        async def course() -> None:
            self.laws.stopping(agent_id)
            await self.manager.stop_agent(agent_id, reason, wait_closed=wait)
            with pytest.raises(CopawError):
                self.manager.acquire(agent_id, "stream")

        self.do(course())

    @rule(agent_id=agents)
    def start(self, agent_id: str) -> None:
        async def course() -> None:
            self.laws.starting(agent_id)
            self.waiters.append(self.manager.start_agent(agent_id))

        self.do(course())

    @rule(agent_id=agents)
    def expire(self, agent_id: str) -> None:
        async def course() -> None:
            slot = self.manager.slot(agent_id)
            for generation in list(slot.draining)[:1]:
                assert slot.draining.expire(generation)
            assert not slot.draining.expire(0)

        self.do(course())

    @rule(seconds=st.sampled_from((0.0, 0.001, 0.019, 0.05, 0.4, 1.0, 6.0)))
    def advance(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    # -- work ------------------------------------------------------------------------------------------------------

    def started(self, agent_id: str, run: Run) -> None:
        self.laws.leased(agent_id, run.generation, run.lease)

    @rule(agent_id=agents, other=agents, plan=plans, child=plans)
    def run(self, agent_id: str, other: str, plan: Plan, child: Plan) -> None:
        target = other if plan.manner is Manner.PARENT else agent_id
        child_manner = Manner.WORK if child.manner in (Manner.PARENT, Manner.SELF_RELOAD) else child.manner
        own = Plan(child_manner, child.steps, child.step_s, child.tail_s)
        whole = Plan(plan.manner, plan.steps, plan.step_s, plan.tail_s, target, own)

        async def course() -> None:
            async with asyncio.timeout(BUILD_S):
                await self.runs.start(agent_id, whole)

        try:
            self.do(course())
        except (CopawError, TimeoutError):
            slot = self.manager.slot(agent_id)
            assert slot.current is None, f"{slot.current} refused a run"

    @precondition(lambda self: self.runs.accepted)
    @rule(which=st.integers(0, 100))
    def stop_run(self, which: int) -> None:
        _, run = self.runs.accepted[-1 - which % len(self.runs.accepted)]

        async def course() -> None:
            self.runs.stop(run)

        self.do(course())

    @rule(agent_id=agents, heeds=st.booleans())
    def acquire(self, agent_id: str, heeds: bool) -> None:
        async def course() -> None:
            try:
                workspace, lease = self.manager.acquire(agent_id, "command", "held")
            except CopawError:
                assert self.manager.slot(agent_id).current is None
                return
            self.laws.leased(agent_id, workspace.generation, lease)
            if heeds:
                lease.bind(lambda _reason: lease.release())
            self.held.append((agent_id, workspace, lease))

        self.do(course())

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def lease_child(self, which: int) -> None:
        agent_id, workspace, parent = self.held[which % len(self.held)]

        async def course() -> None:
            if parent.released and workspace.state is not WorkspaceState.SERVING:
                with pytest.raises(LeaseRefused):
                    workspace.leases.acquire("child", parent=parent)
                return
            child = workspace.leases.acquire("child", parent=parent)
            self.laws.leased(agent_id, workspace.generation, child)
            child.bind(lambda _reason: child.release())
            self.held.append((agent_id, workspace, child))

        self.do(course())

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def lease_what_was_replaced(self, which: int) -> None:
        """Invariant 6, at the lease itself: whoever still knows an old generation gets no fresh hold on it."""
        _, workspace, _ = self.held[which % len(self.held)]
        if workspace.state is not WorkspaceState.SERVING:
            with pytest.raises(LeaseRefused):
                workspace.leases.acquire("stream")

    @precondition(lambda self: any(not lease.released for _, _, lease in self.held))
    @rule(which=st.integers(0, 100))
    def release(self, which: int) -> None:
        async def course() -> None:
            # Looked at here: what was asked to end before may let go in the very step before this one.
            live = [lease for _, _, lease in self.held if not lease.released]
            if live:
                live[which % len(live)].release()

        self.do(course())

    async def deliver(self, agent_id: str, message: str) -> None:
        await self.runs.start(agent_id, Plan(steps=1), kind="channel")

    @rule(agent_id=agents, again=st.booleans())
    def message(self, agent_id: str, again: bool) -> None:
        async def course() -> None:
            self.messages += not again
            self.world.ingresses[agent_id].receive(f"{agent_id}:{self.messages}")

        self.do(course())

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def invariants_1_to_10_and_12(self) -> None:
        self.laws.check()
        self.laws.check_counts()

    @invariant()
    def invariant_13_every_message_is_handled_at_most_once_and_in_order(self) -> None:
        for ingress in self.world.ingresses.values():
            assert all(count == 1 for count in ingress.handled.values())
            assert len(ingress.order) + len(ingress.queue) in (len(ingress.received), len(ingress.received) + 1)

    @invariant()
    def every_outcome_is_one_that_may_be(self) -> None:
        self.waiters, done = (
            [one for one in self.waiters if not one.done()],
            [one for one in self.waiters if one.done()],
        )
        assert all(isinstance(one.result().outcome, Outcome) for one in done)


# A run that only asks whether a fault is noticed says how many examples it wants, and wants no smaller one.
EXAMPLES = os.environ.get("COPAW_MACHINE_EXAMPLES")
LifecycleMachine.TestCase.settings = settings(
    max_examples=int(EXAMPLES or 120),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate] if EXAMPLES else list(Phase),
)


class TestLifecycle(LifecycleMachine.TestCase):
    """Any order of events."""

    @pytest.fixture(autouse=True)
    def _silence(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.CRITICAL + 1, logger="copaw")
