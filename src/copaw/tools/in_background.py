"""Tools whose calls go on beside the conversation, and the tools that look after such calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic import Field

from copaw.ports import Json, ToolContext, ToolResult
from copaw.tools.base import Arguments, FunctionTool, define

MAX_TASKS = 50


@dataclass(frozen=True, slots=True)
class ToolTask:
    """A tool call in the background as the model is told of it.

    :param ended: it will not change any more. :param succeeded: the tool did what it was asked.
    :param output: what the tool gave back, or why it did not.
    """

    id: str
    tool: str
    state: str
    ended: bool
    succeeded: bool
    output: str


class ToolTasks(Protocol):
    """Makes tool calls in the background on behalf of a run. A call is only shown to the agent that made it."""

    async def begin(self, caller: ToolContext, tool: str, arguments: Json) -> ToolTask:
        """Begin a call; its conversation is told of the end.

        :raises CopawError: it cannot be accepted, and why.
        """

    async def check(self, caller: ToolContext, task_id: str) -> ToolTask:
        """:raises NotFound: the caller made no such call."""

    async def wait(
        self, caller: ToolContext, task_ids: Sequence[str], *, timeout_s: float, first: bool
    ) -> list[ToolTask]:
        """Wait until all have ended, or the ``first`` one. If the wait is cancelled, the calls go on."""

    async def cancel(self, caller: ToolContext, task_id: str) -> ToolTask:
        """Ask a call to end."""


class BackgroundTool:
    """A :class:`copaw.ports.Tool` that begins calls of another one and answers at once."""

    def __init__(self, tool: FunctionTool[Any], tasks: ToolTasks) -> None:
        self.name = tool.name
        self.parameters = tool.parameters
        self.description = (
            f"{tool.description} It runs in the background: the answer is a task id for check_tool_task, "
            "wait_tool_tasks and cancel_tool_task, and the user is told when it has ended."
        )
        self._tool = tool
        self._begin = define(tool.name, tool.description, _Any, self._run)
        self._tasks = tasks

    async def __call__(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        """Begin a call. Bad arguments and refusals come back as results."""
        if (problem := self._tool.problem_with(arguments)) is not None:
            return ToolResult.text(problem, is_error=True)
        return await self._begin(context, {"arguments": dict(arguments)})

    async def _run(self, context: ToolContext, given: _Any) -> ToolResult:
        task = await self._tasks.begin(context, self.name, given.arguments)
        return ToolResult.text(f"[TASK_ID: {task.id}]\n[STATUS: {task.state}]\n{self.name} runs in the background.")


class _Any(Arguments):
    arguments: Json


class TaskArguments(Arguments):
    task_id: str = Field(min_length=1, description="The id that the tool gave.")


class WaitArguments(Arguments):
    task_ids: list[str] = Field(min_length=1, max_length=MAX_TASKS, description="The ids that the tools gave.")
    timeout: float = Field(default=600.0, gt=0, le=86400, description="Seconds to wait at most.")
    first: bool = Field(default=False, description="Return as soon as one of them has ended.")


def tool_task_tools(tasks: ToolTasks) -> tuple[FunctionTool[Any], ...]:
    """The tools that look after calls in the background."""
    return (
        define(
            "check_tool_task",
            "See how far a tool call that runs in the background has come, and its result when it has ended.",
            TaskArguments,
            partial(_check, tasks),
            icon="🔎",
        ),
        define(
            "wait_tool_tasks",
            "Wait until tool calls that run in the background have ended, and get their results.",
            WaitArguments,
            partial(_wait, tasks),
            icon="⏳",
        ),
        define(
            "cancel_tool_task",
            "End a tool call that runs in the background, with every process it has started.",
            TaskArguments,
            partial(_cancel, tasks),
            icon="🛑",
        ),
    )


async def _check(tasks: ToolTasks, context: ToolContext, arguments: TaskArguments) -> ToolResult:
    return _told([await tasks.check(context, arguments.task_id)])


async def _wait(tasks: ToolTasks, context: ToolContext, arguments: WaitArguments) -> ToolResult:
    return _told(await tasks.wait(context, arguments.task_ids, timeout_s=arguments.timeout, first=arguments.first))


async def _cancel(tasks: ToolTasks, context: ToolContext, arguments: TaskArguments) -> ToolResult:
    task = await tasks.cancel(context, arguments.task_id)
    return ToolResult.text(f"[TASK_ID: {task.id}]\n[STATUS: {task.state}]")


def _told(found: Sequence[ToolTask]) -> ToolResult:
    parts = [
        f"[TASK_ID: {task.id}]\n[TOOL: {task.tool}]\n[STATUS: {task.state}]"
        + (f"\n{task.output}" if task.output else "")
        for task in found
    ]
    return ToolResult.text("\n\n".join(parts), is_error=any(task.ended and not task.succeeded for task in found))
