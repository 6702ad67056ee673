"""Tools by which an agent hands work to another: now, or as a task that it looks after later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic import Field

from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, FunctionTool, define

MAX_TASKS = 50


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A task as the model is told of it.

    :param ended: it will not change any more. :param succeeded: its agent did what it was asked.
    :param answer: what the agent said, or why it did not.
    """

    id: str
    agent_id: str
    session_id: str
    state: str
    ended: bool
    succeeded: bool
    answer: str


class AgentTasks(Protocol):
    """Hands work to other agents on behalf of a run. A task is only shown to the agent that asked for it."""

    async def submit(
        self, caller: ToolContext, agent_id: str, text: str, *, session_id: str, timeout_s: float | None, notify: bool
    ) -> AgentTask:
        """Accept a task; it runs by itself.

        :param notify: tell the session of the caller when it has ended.
        :raises CopawError: the agent cannot take it, or already waits for the caller.
        """

    async def ask(
        self, caller: ToolContext, agent_id: str, text: str, *, session_id: str, timeout_s: float
    ) -> AgentTask:
        """Submit a task and wait for it. If the wait is cancelled, so is the task."""

    async def check(self, caller: ToolContext, task_id: str) -> AgentTask:
        """:raises NotFound: the caller asked for no such task."""

    async def wait(
        self, caller: ToolContext, task_ids: Sequence[str], *, timeout_s: float, first: bool
    ) -> list[AgentTask]:
        """Wait until all have ended, or the ``first`` one. If the wait is cancelled, so are the tasks."""

    async def cancel(self, caller: ToolContext, task_id: str) -> AgentTask:
        """Ask a task to end."""


class _Work(Arguments):
    agent_id: str = Field(min_length=1, description="Who shall do it: an agent's id.")
    text: str = Field(min_length=1, description="What to do, with everything the other agent needs to know.")
    session_id: str = Field(default="", description="Go on with this earlier session of the other agent.")


class ChatArguments(_Work):
    timeout: float = Field(default=300.0, gt=0, le=86400, description="Seconds to wait for the answer.")


class SubmitArguments(_Work):
    timeout: float | None = Field(default=None, gt=0, description="Seconds that the task may take.")
    notify: bool = Field(default=False, description="Tell this conversation when the task has ended.")


class TaskArguments(Arguments):
    task_id: str = Field(min_length=1, description="The id that submit_to_agent gave.")


class WaitArguments(Arguments):
    task_ids: list[str] = Field(min_length=1, max_length=MAX_TASKS, description="The ids that submit_to_agent gave.")
    timeout: float = Field(default=600.0, gt=0, le=86400, description="Seconds to wait at most.")
    first: bool = Field(default=False, description="Return as soon as one of them has ended.")


def agent_tools(tasks: AgentTasks) -> tuple[FunctionTool[Any], ...]:
    """The tools over ``tasks``."""
    return (
        define(
            "chat_with_agent",
            "Ask another agent and wait for its answer. For long work use submit_to_agent.",
            ChatArguments,
            partial(_chat, tasks),
            icon="💬",
        ),
        define(
            "submit_to_agent",
            "Hand work to another agent and go on at once. Gives a task id for the other task tools.",
            SubmitArguments,
            partial(_submit, tasks),
            icon="📤",
        ),
        define(
            "check_agent_task",
            "See how far a task that you handed over has come, and its answer when it has ended.",
            TaskArguments,
            partial(_check, tasks),
            icon="🔎",
        ),
        define(
            "wait_agent_tasks",
            "Wait until tasks that you handed over have ended, and get their answers.",
            WaitArguments,
            partial(_wait, tasks),
            icon="⏳",
        ),
        define(
            "cancel_agent_task",
            "Ask a task that you handed over to end.",
            TaskArguments,
            partial(_cancel, tasks),
            icon="🛑",
        ),
    )


async def _chat(tasks: AgentTasks, context: ToolContext, arguments: ChatArguments) -> ToolResult:
    task = await tasks.ask(
        context,
        arguments.agent_id,
        arguments.text,
        session_id=arguments.session_id,
        timeout_s=arguments.timeout,
    )
    if not task.ended:
        text = f"No answer within {arguments.timeout:g} s; it goes on as task {task.id} (see wait_agent_tasks)."
        return ToolResult.text(text, is_error=True)
    return ToolResult.text(f"[SESSION: {task.session_id}]\n{task.answer}", is_error=not task.succeeded)


async def _submit(tasks: AgentTasks, context: ToolContext, arguments: SubmitArguments) -> ToolResult:
    task = await tasks.submit(
        context,
        arguments.agent_id,
        arguments.text,
        session_id=arguments.session_id,
        timeout_s=arguments.timeout,
        notify=arguments.notify,
    )
    return ToolResult.text(f"[TASK_ID: {task.id}]\n[SESSION: {task.session_id}]")


async def _check(tasks: AgentTasks, context: ToolContext, arguments: TaskArguments) -> ToolResult:
    return _told([await tasks.check(context, arguments.task_id)])


async def _wait(tasks: AgentTasks, context: ToolContext, arguments: WaitArguments) -> ToolResult:
    return _told(await tasks.wait(context, arguments.task_ids, timeout_s=arguments.timeout, first=arguments.first))


async def _cancel(tasks: AgentTasks, context: ToolContext, arguments: TaskArguments) -> ToolResult:
    task = await tasks.cancel(context, arguments.task_id)
    return ToolResult.text(f"[TASK_ID: {task.id}]\n[STATUS: {task.state}]")


def _told(found: Sequence[AgentTask]) -> ToolResult:
    parts = [
        f"[TASK_ID: {task.id}]\n[AGENT: {task.agent_id}]\n[STATUS: {task.state}]"
        + (f"\n{task.answer}" if task.answer else "")
        for task in found
    ]
    return ToolResult.text("\n\n".join(parts), is_error=any(task.ended and not task.succeeded for task in found))
