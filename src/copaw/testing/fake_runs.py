"""Runs that behave in every way that a run may behave, well or badly, by a plan for each session.

They go the whole way of a real one: the real ``DynamicMultiAgentRunner`` takes the lease, the real ``TaskTracker``
keeps the run. Only the turn itself is played from a :class:`Plan`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.lease import Lease
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.chats import ChatBook, ChatSpec
from copaw.app.runner.events import ended_error, error_object
from copaw.app.runner.request import AgentRequest, parse_request
from copaw.app.runner.task_tracker import Run
from copaw.errors import CopawError, EndReason, ServerClosing
from copaw.ports import EventSink, Json, Turn
from copaw.testing.fake_agents import FakeWorld

STEPS_AFTER_OWN_RELOAD = 3
OWN_RELOAD_S = 2.0


class Manner(StrEnum):
    """How a run behaves."""

    WORK = "work"
    RAISE = "raise"
    SILENT = "silent"
    SLOW_UNWIND = "slow_unwind"
    STUBBORN = "stubborn"
    SELF_RELOAD = "self_reload"
    PARENT = "parent"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does: ``steps`` events, ``step_s`` seconds apart, and something of its own.

    :param tail_s: ``SLOW_UNWIND``: seconds it takes to unwind. ``STUBBORN``: seconds for which it heeds nothing,
        as if it were stuck in a thread.
    :param other: ``PARENT``: the agent whose run it waits for. ``SELF_RELOAD``: its own agent.
    :param child: ``PARENT``: what that run does.
    """

    manner: Manner = Manner.WORK
    steps: int = 1
    step_s: float = 0.0
    tail_s: float = 0.0
    other: str = ""
    child: Plan | None = None


class Runs:
    """Starts runs, plays them, and keeps every one that was accepted.

    :param edit: changes the configuration of the agent whose run reloads it.
    :param started: told of each run in the very step in which it was accepted.
    """

    def __init__(
        self,
        world: FakeWorld,
        manager: MultiAgentManager,
        *,
        edit: Callable[[str], None],
        started: Callable[[str, Run], None] = lambda _agent_id, _run: None,
    ) -> None:
        self.accepted: list[tuple[str, Run]] = []
        self.stopped_by_user: set[str] = set()
        self.own_reloads: list[ReloadOutcome] = []
        self.plans: dict[str, Plan] = {}
        self._world = world
        self._manager = manager
        self._edit = edit
        self._started = started
        self.locks = KeyedLocks()
        self._runner = DynamicMultiAgentRunner(manager, self.locks, _MemoryChatBooks())
        self._by_session: dict[str, Run] = {}
        self._count = 0
        world.script = self.play

    async def start(self, agent_id: str, plan: Plan, *, kind: str = "stream", parent: Lease | None = None) -> Run:
        """Start one run in a session of its own.

        :raises CopawError: the agent cannot take it.
        """
        self._count += 1
        session_id = f"s{self._count}"
        self.plans[session_id] = plan
        run = await self._runner.start(_request(session_id), agent_id, kind=kind, parent=parent)
        self.accepted.append((agent_id, run))
        self._by_session[session_id] = run
        self._started(agent_id, run)
        return run

    def stop(self, run: Run) -> None:
        """Stop a run as its user would."""
        if run.stop(EndReason.USER_STOP):
            self.stopped_by_user.add(run.id)

    def forget(self) -> None:
        """Keep nothing of the runs that were accepted."""
        for kept in (self.accepted, self.own_reloads, self.stopped_by_user, self.plans, self._by_session):
            kept.clear()

    # -- the turn --------------------------------------------------------------------------------------------

    async def play(self, turn: Turn, emit: EventSink) -> None:
        """As ``TurnRunner.run``."""
        plan = self.plans[turn.session_id]
        try:
            await self._steps(plan.steps, plan.step_s, emit)
            await self._own_part(plan, turn, emit)
        except asyncio.CancelledError:
            await self._unwind(plan, turn, emit)
            raise
        if plan.manner is Manner.RAISE:
            raise ValueError("the turn failed")
        if plan.manner is not Manner.SILENT:
            emit(_response("completed"))

    async def _steps(self, count: int, step_s: float, emit: EventSink) -> None:
        for _ in range(count):
            await asyncio.sleep(step_s)
            emit({"object": "content", "status": "in_progress"})

    async def _own_part(self, plan: Plan, turn: Turn, emit: EventSink) -> None:
        match plan.manner:
            case Manner.STUBBORN:
                await self._heed_nothing(plan.tail_s)
                emit({"object": "content", "status": "in_progress"})
            case Manner.SELF_RELOAD:
                self._edit(plan.other)
                # Bounded: a reload that is held for this very run to end would never be answered.
                with suppress(ServerClosing, TimeoutError):
                    async with asyncio.timeout(OWN_RELOAD_S):
                        self.own_reloads.append(await self._manager.reload_agent(plan.other))
                await self._steps(STEPS_AFTER_OWN_RELOAD, plan.step_s, emit)
            case Manner.PARENT:
                await self._wait_for_child(plan, turn, emit)

    async def _heed_nothing(self, for_s: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + for_s
        while (left := until - loop.time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(left)

    async def _wait_for_child(self, plan: Plan, turn: Turn, emit: EventSink) -> None:
        parent = self._by_session[turn.session_id]
        try:
            child = await self.start(plan.other, plan.child or Plan(), kind="child", parent=parent.lease)
        except CopawError as error:
            emit({"object": "content", "status": "in_progress", "text": error.message})
            return
        try:
            last = await child.wait_end()
        except asyncio.CancelledError:
            child.stop(EndReason.PARENT_CANCELLED)
            raise
        emit({"object": "content", "status": "in_progress", "child": last["status"]})

    async def _unwind(self, plan: Plan, turn: Turn, emit: EventSink) -> None:
        reason = turn.end_reason()
        if reason is None:
            self._world.violations.append(f"section 6: the run of {turn.session_id} was cancelled without a cause")
            return
        if plan.manner is Manner.SLOW_UNWIND:
            await asyncio.sleep(plan.tail_s)
        if plan.manner is not Manner.SILENT:
            emit(_response("failed", ended_error(reason)))


def _response(status: str, error: Json | None = None) -> Json:
    given = error_object("AGENT_ERROR", "failed") if status == "failed" and error is None else error
    return {"object": "response", "status": status, "error": given, "output": []}


def _request(session_id: str) -> AgentRequest:
    message = {"role": "user", "content": [{"type": "text", "text": "go"}]}
    return parse_request({"input": [message], "session_id": session_id, "user_id": "u"})


class _MemoryChatBooks(ChatBooks):
    """Chat lists that are never written."""

    def __init__(self) -> None:
        super().__init__(lambda agent_id: Path("/nowhere") / agent_id)
        self._book = _MemoryChatBook(Path("/nowhere"))

    async def of(self, agent_id: str) -> ChatBook:
        return self._book


class _MemoryChatBook(ChatBook):
    def ensure(self, session_id: str, user_id: str, channel: str, text: str) -> ChatSpec:
        return ChatSpec(session_id=session_id, user_id=user_id, channel=channel)
