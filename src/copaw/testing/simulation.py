"""A small world of agents on virtual time, driven by one seed, with every invariant checked between any two steps.

A seed decides everything: how many agents, how fast requests come, how each run behaves, what is edited when, which
builds are slow, fail or hang, who is stopped, disabled or deleted, and when the server shuts down. The same seed
always takes the same course, so a failure is found again with ``python scripts/simulate.py --seed N``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.runner.task_tracker import Run
from copaw.errors import CopawError, EndReason
from copaw.testing.fake_agents import FakeWorld
from copaw.testing.fake_ingress import IngressConfig
from copaw.testing.fake_runs import Manner, Plan, Runs
from copaw.testing.simulation_invariants import Invariants
from copaw.testing.simulation_loop import run_virtual

RATES_PER_S = (1.0, 5.0, 20.0, 50.0, 200.0)
LONGEST_S = 4.0
MOST_RUNS = 14
GRACES_S = (0.0, 0.05, 0.5, 2.0, None)
UNWIND_S = 0.3
BUILD_S = 1.0
CALM_S = 12.0
KINDS = ("stream", "task", "console", "channel", "command")


class SimulationFailed(AssertionError):
    """A promise was broken. The message tells the seed, the course up to there and how to see it again."""

    def __init__(self, seed: int, trace: list[str], cause: BaseException) -> None:
        course = "\n".join(f"  {line}" for line in trace)
        again = f"python scripts/simulate.py --seed {seed}"
        super().__init__(f"seed {seed}: {type(cause).__name__}: {cause}\n{course}\nAgain: {again}")
        self.seed = seed
        self.trace = trace


@dataclass(slots=True)
class Report:
    """What one seed did. ``checks`` counts the steps between which the invariants were checked."""

    seed: int
    runs: int = 0
    refused: int = 0
    checks: int = 0
    messages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


def simulate(seed: int) -> Report:
    """Run one seed.

    :raises SimulationFailed: an invariant did not hold.
    """
    simulation = Simulation(seed)
    try:
        with _quiet():
            run_virtual(simulation.run(), simulation.invariants.check)
    except Exception as error:
        raise SimulationFailed(seed, simulation.told(), error) from error
    return simulation.report()


@contextmanager
def _quiet() -> Iterator[None]:
    """What the manager logs about failures that were ordered here is of no interest."""
    logger = logging.getLogger("copaw")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


class Simulation:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.world = FakeWorld()
        self.invariants = Invariants(self.world)
        self.agents = [f"agent{number}" for number in range(self.random.choice((1, 2, 2, 3)))]
        self._trace: list[tuple[float, str]] = []
        self._waiters: list[asyncio.Future[ReloadOutcome]] = []
        self._edits = 0
        self._calm = False
        self._refused = 0
        self._messages = 0
        self._now: Callable[[], float] = lambda: 0.0
        self.manager: MultiAgentManager
        self.runs: Runs

    def _note(self, what: str) -> None:
        self._trace.append((self._now(), what))

    def told(self) -> list[str]:
        """The course up to now, a line an action."""
        return [f"{at:9.4f} s  {what}" for at, what in self._trace]

    def report(self) -> Report:
        outcomes = [waiter.result() for waiter in self._waiters if waiter.exception() is None]
        return Report(
            seed=self.seed,
            runs=len(self.runs.accepted),
            refused=self._refused,
            checks=self.invariants.checks,
            messages=self._messages,
            outcomes=Counter(str(report.outcome) for report in outcomes),
            ends=Counter(run.lease.end_reason or str(run.status) for _, run in self.runs.accepted),
            trace=self.told(),
        )

    # -- the course ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything, from the first start to the end of the shutdown."""
        self._now = asyncio.get_running_loop().time
        self.manager = self.world.manager(
            settle_max_s=self.random.choice((0.01, 0.3)), build_s=BUILD_S, unwind_s=UNWIND_S
        )
        self.invariants.watch(self.manager)
        self.runs = Runs(self.world, self.manager, edit=self._edit, started=self._started)
        for agent_id in self.agents:
            self._found(agent_id)
        async with asyncio.TaskGroup() as group:
            for agent_id in self.agents:
                for actor in (self._requests(agent_id), self._changes(agent_id), self._mail(agent_id)):
                    group.create_task(actor)
        if self.random.random() < 0.6:
            await self._calm_down()
        await self._shut_down()

    def _found(self, agent_id: str) -> None:
        self.world.configure(
            agent_id,
            revision=0,
            max_draining=self.random.choice((1, 2, 3, 8)),
            settle_s=self.random.choice((0.001, 0.01, 0.05)),
        )
        self.world.bring(
            agent_id, lambda message: self._deliver(agent_id, message), connect_s=self.random.choice((0.0, 0.01))
        )
        self._shake(agent_id)
        self.invariants.starting(agent_id)
        self._waiters.append(self.manager.start_agent(agent_id))
        # The manager makes the slot only now; nobody can have looked at it before.

    async def _calm_down(self) -> None:
        self._note("calm")
        self._calm = True
        for agent_id in self.agents:
            self._mend(agent_id)
            self._edit(agent_id)
            if not self.invariants.of(agent_id).stopped:
                self._ask(agent_id)
        await asyncio.sleep(CALM_S)
        self.invariants.check_calm()
        self.invariants.check_runs(self.runs.accepted, self.runs.stopped_by_user)

    async def _shut_down(self) -> None:
        grace_s = self.random.choice((0.0, 0.1, 5.0))
        self._note(f"shut down, {grace_s:g} s")
        await self.manager.stop_all(grace_s)
        self.invariants.check()
        await asyncio.sleep(LONGEST_S)  # What heeded nothing and was abandoned comes to its own end.
        await self.world.pool.aclose()
        self.invariants.check_runs(self.runs.accepted, self.runs.stopped_by_user)
        self.invariants.check_rest(self._waiters)

    # -- requests --------------------------------------------------------------------------------------------------

    async def _requests(self, agent_id: str) -> None:
        rate = self.random.choice(RATES_PER_S)
        end_s = self._now() + LONGEST_S
        for _ in range(self.random.randint(1, MOST_RUNS)):
            await asyncio.sleep(self.random.expovariate(rate))
            if self._now() > end_s:
                return
            try:
                run = await self.runs.start(agent_id, self._plan(agent_id), kind=self.random.choice(KINDS))
            except CopawError as error:
                self._refused += 1
                self._note(f"{agent_id} refused: {error.code}")
                continue
            if self.random.random() < 0.1:
                asyncio.get_running_loop().call_later(self.random.uniform(0, 0.3), self.runs.stop, run)

    def _plan(self, agent_id: str, depth: int = 0) -> Plan:
        manner = self.random.choices(list(Manner), (60, 6, 4, 8, 6, 8, 8 if depth < 2 else 0))[0]
        other = agent_id
        child = None
        if manner is Manner.PARENT:
            other = self.random.choice(self.agents)
            child = self._plan(other, depth + 1)
        steps = self.random.randint(0, 5)
        step_s = self.random.choice((0.0, 0.005, 0.05, 0.3))
        # Longer than a run may take to unwind, or shorter.
        tail_s = self.random.choice((0.0, 0.1, 0.2)) if manner is Manner.SLOW_UNWIND else self.random.uniform(0, 2)
        return Plan(manner, steps, step_s, tail_s, other, child)

    def _started(self, agent_id: str, run: Run) -> None:
        self.invariants.leased(agent_id, run.generation, run.lease)
        self._note(f"{agent_id}#{run.generation} runs {self.runs.plans[run.session_id].manner}")

    # -- changes ---------------------------------------------------------------------------------------------------

    async def _changes(self, agent_id: str) -> None:
        pause_s = self.random.choice((0.005, 0.05, 0.3))
        actions: list[tuple[int, Callable[[str], Coroutine[Any, Any, None]]]] = [
            (40, self._edit_and_ask),
            (6, self._bad_edit),
            (6, self._ask_for_nothing),
            (8, self._storm),
            (8, self._wait_for_reload),
            (8, self._switch_off_and_on),
            (6, self._expire),
        ]
        weights = [weight for weight, _ in actions]
        for _ in range(self.random.randint(2, 14)):
            await asyncio.sleep(self.random.expovariate(1 / pause_s))
            self._shake(agent_id)
            action = self.random.choices(actions, weights)[0][1]
            await action(agent_id)

    def _shake(self, agent_id: str) -> None:
        """Decide how the next builds go."""
        dice = self.random.random()
        self.world.configure(
            agent_id,
            invalid="",
            build_s=self.random.choice((0.0, 0.0, 0.01, 0.2)),
            build_error="refused" if dice < 0.15 else "",
            hang=dice > 0.95,
            refused=frozenset({"mcp0"}) if self.random.random() < 0.1 else frozenset(),
            close_s=self.random.choice((0.0, 0.0, 0.05)),
        )

    def _mend(self, agent_id: str) -> None:
        self.world.configure(agent_id, invalid="", build_s=0.01, build_error="", hang=False, refused=frozenset())

    def _edit(self, agent_id: str) -> None:
        self._edits += 1
        self.world.configure(
            agent_id,
            value=self.random.choice((self._edits, self._edits, self.random.randint(0, 2))),
            revision=self._edits,
            grace_s=self.random.choice(GRACES_S),
            pooled={f"mcp{number}": self.random.randint(0, 1) for number in range(self.random.randint(0, 2))},
            ingress=IngressConfig(
                self.random.choice((0, 1, 2)) and 10 * self.agents.index(agent_id) + self.random.randint(1, 2),
                self.random.choice((0.0, 0.5, 0.7)),
            ),
        )
        if self._calm:  # Runs that reload their own agent may still edit; no timer may start work any more.
            self.world.configure(agent_id, ingress=IngressConfig(), grace_s=0.5)

    def _ask(self, agent_id: str) -> asyncio.Future[ReloadOutcome]:
        config = self.world.configs[agent_id]
        self._note(f"{agent_id} reload: revision {config.revision}, {self._prospect(agent_id)}")
        waiter = self.manager.request_reload(agent_id)
        self._waiters.append(waiter)
        return waiter

    def _prospect(self, agent_id: str) -> str:
        config = self.world.configs[agent_id]
        bad = config.invalid or config.build_error or ("hangs" if config.hang else "good")
        return f"{bad} after {config.build_s:g} s, grace {config.grace_s}"

    async def _edit_and_ask(self, agent_id: str) -> None:
        self._edit(agent_id)
        if not self.invariants.of(agent_id).stopped:
            self._ask(agent_id)

    async def _bad_edit(self, agent_id: str) -> None:
        self.world.configure(agent_id, invalid="running.max_iters: must be at least 1")
        if not self.invariants.of(agent_id).stopped:
            self._ask(agent_id)

    async def _ask_for_nothing(self, agent_id: str) -> None:
        if not self.invariants.of(agent_id).stopped:
            self._ask(agent_id)

    async def _storm(self, agent_id: str) -> None:
        for _ in range(self.random.randint(3, 15)):
            await self._edit_and_ask(agent_id)
            await asyncio.sleep(self.random.choice((0.0, 0.002, 0.02)))

    async def _wait_for_reload(self, agent_id: str) -> None:
        if not self.invariants.of(agent_id).stopped and not self.world.configs[agent_id].hang:
            self._edit(agent_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.shield(self._ask(agent_id))

    async def _switch_off_and_on(self, agent_id: str) -> None:
        reason = self.random.choice((EndReason.AGENT_DISABLED, EndReason.AGENT_DELETED))
        self._note(f"{agent_id} stop: {reason}")
        self.invariants.stopping(agent_id)
        await self.manager.stop_agent(agent_id, reason, wait_closed=self.random.random() < 0.3)
        await asyncio.sleep(self.random.choice((0.0, 0.0, 0.01, 0.3)))
        if self.random.random() < 0.8:
            self._note(f"{agent_id} start: {self._prospect(agent_id)}")
            self.invariants.starting(agent_id)
            self._waiters.append(self.manager.start_agent(agent_id))

    async def _expire(self, agent_id: str) -> None:
        for generation in list(self.manager.slot(agent_id).draining)[:1]:
            self._note(f"{agent_id}#{generation} expire")
            self.manager.slot(agent_id).draining.expire(generation)

    # -- messages --------------------------------------------------------------------------------------------------

    async def _mail(self, agent_id: str) -> None:
        ingress = self.world.ingresses[agent_id]
        for number in range(self.random.randint(0, 6)):
            await asyncio.sleep(self.random.expovariate(4.0))
            self._messages += 1
            for _ in range(self.random.choice((1, 1, 2))):
                ingress.receive(f"{agent_id}:{number}")

    async def _deliver(self, agent_id: str, message: str) -> None:
        kind = "cron" if message.startswith("cron") else "channel"
        await self.runs.start(agent_id, Plan(steps=1, step_s=0.01), kind=kind)
