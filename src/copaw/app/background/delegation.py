"""Work that agents hand to one another, as tasks of the ledger."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from copaw.app.background.outcome import answer_of
from copaw.app.background.records import Asker, TaskRecord, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.submission import parse_submission
from copaw.errors import Conflict, EndReason, NotFound
from copaw.ports import Json, ToolContext
from copaw.tools.agent_tasks import AgentTask

MAX_DEPTH = 5
"""So many agents may wait for one another in a row."""


class Delegation:
    """The :class:`~copaw.tools.agent_tasks.AgentTasks` of this server.

    :param tasks: answers the service, which is made after the agents' tools are.
    :param default_timeout_s: how long a task of an agent may take, by its configuration.
    """

    def __init__(self, tasks: Callable[[], TaskService], default_timeout_s: Callable[[str], float]) -> None:
        self._tasks = tasks
        self._default_timeout_s = default_timeout_s

    async def submit(
        self, caller: ToolContext, agent_id: str, text: str, *, session_id: str, timeout_s: float | None, notify: bool
    ) -> AgentTask:
        asker = asker_of(caller) if notify else None
        return _shown(await self._submit(caller, agent_id, text, session_id, timeout_s, waited_for=False, asker=asker))

    async def ask(
        self, caller: ToolContext, agent_id: str, text: str, *, session_id: str, timeout_s: float
    ) -> AgentTask:
        record = await self._submit(caller, agent_id, text, session_id, None, waited_for=True)
        return (await self._wait(caller, [record.id], timeout_s, first=False))[0]

    async def check(self, caller: ToolContext, task_id: str) -> AgentTask:
        return _shown(await self._own(caller, task_id))

    async def wait(
        self, caller: ToolContext, task_ids: Sequence[str], *, timeout_s: float, first: bool
    ) -> list[AgentTask]:
        for task_id in task_ids:
            await self._own(caller, task_id)
        return await self._wait(caller, task_ids, timeout_s, first=first)

    async def cancel(self, caller: ToolContext, task_id: str) -> AgentTask:
        await self._own(caller, task_id)
        return _shown(await self._tasks().cancel(task_id))

    async def _submit(
        self,
        caller: ToolContext,
        agent_id: str,
        text: str,
        session_id: str,
        timeout_s: float | None,
        *,
        waited_for: bool,
        asker: Asker | None = None,
    ) -> TaskRecord:
        parent = self._tasks().of_session(caller.agent_id, caller.user_id, caller.session_id)
        chain = (*(parent.record.chain if parent is not None else ()), caller.agent_id)
        _check_chain(chain, agent_id)
        session = session_id or f"{caller.agent_id}:to:{agent_id}:{int(time.time() * 1000)}:{uuid.uuid4().hex[:8]}"
        message = {"role": "user", "type": "message", "content": [{"type": "text", "text": _signed(caller, text)}]}
        request: Json = {"input": [message], "session_id": session, "user_id": session, "channel": "console"}
        body: Json = request if timeout_s is None else {**request, "timeout_seconds": timeout_s}
        wanted = parse_submission(
            agent_id, body, request, default_timeout_s=self._default_timeout_s(agent_id),
            parent_id=parent.record.id if parent is not None else None, chain=chain, asker=asker,
        )  # fmt: skip
        return await self._tasks().submit(wanted, immediately=waited_for)

    async def _wait(
        self, caller: ToolContext, task_ids: Sequence[str], timeout_s: float, *, first: bool
    ) -> list[AgentTask]:
        """Wait on events, never by asking. What is waited for does not outlive who waits."""
        for task_id in task_ids:
            self._tasks().promote(task_id)
        ends = [asyncio.ensure_future(self._tasks().wait(task_id)) for task_id in task_ids]
        try:
            await wait_for(ends, timeout_s, first=first, progress=caller.progress)
        except asyncio.CancelledError:
            for task_id in task_ids:
                await asyncio.shield(self._tasks().cancel(task_id, EndReason.PARENT_CANCELLED))
            raise
        return [_shown(await self._tasks().get(task_id)) for task_id in task_ids]

    async def _own(self, caller: ToolContext, task_id: str) -> TaskRecord:
        record = await self._tasks().get(task_id)
        if not record.chain or record.chain[-1] != caller.agent_id:
            raise NotFound(f"You handed over no task {task_id}.")
        return record


async def wait_for(
    ends: Sequence[asyncio.Future[TaskRecord]], timeout_s: float, *, first: bool, progress: Callable[[], None]
) -> None:
    """Wait for all of ``ends``, or the ``first``; cancel those left, which ends nothing but this waiting."""
    when = asyncio.FIRST_COMPLETED if first else asyncio.ALL_COMPLETED
    deadline = time.monotonic() + timeout_s
    pending = set(ends)
    try:
        while pending and (left_s := deadline - time.monotonic()) > 0:
            done, pending = await asyncio.wait(pending, timeout=min(left_s, 15.0), return_when=when)
            progress()  # To wait for another is no stall.
            if first and done:
                break
    finally:
        for end in ends:
            end.cancel()


def asker_of(caller: ToolContext) -> Asker:
    """The conversation that a tool is used in."""
    return Asker(caller.agent_id, caller.channel, caller.user_id, caller.session_id)


def _check_chain(chain: tuple[str, ...], agent_id: str) -> None:
    way = " -> ".join((*chain, agent_id))
    if agent_id in chain:
        raise Conflict(f"Agent '{agent_id}' already waits for this work ({way}). Do it yourself, or ask another agent.")
    if len(chain) > MAX_DEPTH:
        raise Conflict(f"Work was handed on {MAX_DEPTH} times in a row ({way}), which is the limit. Do it yourself.")


def _signed(caller: ToolContext, text: str) -> str:
    return text if text.lstrip().startswith("[Agent ") else f"[Agent {caller.agent_id} requesting] {text}"


def _shown(record: TaskRecord) -> AgentTask:
    ended, succeeded = record.state.terminal, record.state is TaskState.SUCCEEDED
    return AgentTask(
        record.id, record.agent_id, record.session_id, record.state.value, ended, succeeded, answer_of(record)
    )
