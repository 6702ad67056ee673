"""Tool calls that go on beside the conversation, as tasks of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from copaw.app.background.delegation import asker_of, wait_for
from copaw.app.background.outcome import answer_of
from copaw.app.background.records import TaskKind, TaskRecord, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.submission import Submission
from copaw.errors import NotFound
from copaw.ports import Json, ToolContext
from copaw.tools.in_background import ToolTask

START_TIMEOUT_S = 10.0
"""How long the answer to the model waits until the call holds the generation of its run."""


class ToolCalls:
    """The :class:`~copaw.tools.in_background.ToolTasks` of this server.

    :param tasks: answers the service, which is made after the agents' tools are.
    :param timeout_s: how long a task of an agent may take, by its configuration.
    """

    def __init__(self, tasks: Callable[[], TaskService], timeout_s: Callable[[str], float]) -> None:
        self._tasks = tasks
        self._timeout_s = timeout_s

    async def begin(self, caller: ToolContext, tool: str, arguments: Json) -> ToolTask:
        tasks = self._tasks()
        parent = tasks.of_session(caller.agent_id, caller.user_id, caller.session_id)
        request: Json = {
            "session_id": caller.session_id,
            "user_id": caller.user_id,
            "channel": caller.channel,
            "tool": tool,
            "arguments": arguments,
        }
        wanted = Submission(
            caller.agent_id,
            request,
            self._timeout_s(caller.agent_id),
            parent_id=parent.record.id if parent is not None else None,
            kind=TaskKind.TOOL,
            asker=asker_of(caller),
        )
        record = await tasks.submit(wanted, immediately=True, parent=caller.hold)
        if (live := tasks.live(record.id)) is not None:
            # The run that asks may end with this answer, and its generation with it.
            await live.wait_settled(START_TIMEOUT_S)
        return _shown(await tasks.get(record.id))

    async def check(self, caller: ToolContext, task_id: str) -> ToolTask:
        return _shown(await self._own(caller, task_id))

    async def wait(
        self, caller: ToolContext, task_ids: Sequence[str], *, timeout_s: float, first: bool
    ) -> list[ToolTask]:
        for task_id in task_ids:
            await self._own(caller, task_id)
        ends = [asyncio.ensure_future(self._tasks().wait(task_id)) for task_id in task_ids]
        await wait_for(ends, timeout_s, first=first, progress=caller.progress)
        return [_shown(await self._tasks().get(task_id)) for task_id in task_ids]

    async def cancel(self, caller: ToolContext, task_id: str) -> ToolTask:
        await self._own(caller, task_id)
        return _shown(await self._tasks().cancel(task_id))

    async def _own(self, caller: ToolContext, task_id: str) -> TaskRecord:
        record = await self._tasks().get(task_id)
        if record.kind is not TaskKind.TOOL or record.agent_id != caller.agent_id:
            raise NotFound(f"No tool call of yours runs as task {task_id}.")
        return record


def _shown(record: TaskRecord) -> ToolTask:
    ended, succeeded = record.state.terminal, record.state is TaskState.SUCCEEDED
    return ToolTask(record.id, str(record.request["tool"]), record.state.value, ended, succeeded, answer_of(record))
