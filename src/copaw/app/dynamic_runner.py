"""From a request to a run: the one place where work enters an agent.

``stream_query`` takes the lease at its start. The lease then belongs to the run, not to the stream: whoever reads
may come and go, and the workspace stays open until the run itself has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.lease import Lease
from copaw.app.background.live import OpenCall, RunHandle
from copaw.app.background.records import TaskKind, TaskRecord
from copaw.app.background.resume import close_open_calls, continuation, holds_request
from copaw.app.commands.service import ChatCommands
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.events import Event
from copaw.app.runner.request import AgentRequest, parse_request, tool_turn, turn_of
from copaw.app.runner.session import SessionFiles
from copaw.app.runner.task_tracker import Run
from copaw.app.workspace import Workspace
from copaw.errors import SessionBusy
from copaw.ports import EventSink, Hold, at_once


class DynamicMultiAgentRunner:
    """Runs requests on whichever generation of an agent serves at that moment.

    :param locks: one lock per session file, across all generations.
    :param commands: answers requests that are commands; without, they go to the agent like all others.
    :param arrivals: told of each request whose first event somebody waits for.
    """

    def __init__(
        self,
        manager: MultiAgentManager,
        locks: KeyedLocks,
        chats: ChatBooks,
        commands: ChatCommands | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._manager = manager
        self._locks = locks
        self._chats = chats
        self._commands = commands
        self._arrivals = arrivals or Arrivals()

    async def stream_query(
        self, request: AgentRequest, agent_id: str, *, kind: str = "stream"
    ) -> AsyncGenerator[Event, None]:
        """Run a request and yield its events. Closing the iterator leaves the run to its own end.

        :raises CopawError: the agent cannot take it, or the session is busy; nothing was started then.
        """
        run = await self.start(request, agent_id, kind=kind)
        async with aclosing(run.follow()) as events:
            async for event in events:
                yield event

    async def start(
        self,
        request: AgentRequest,
        agent_id: str,
        *,
        kind: str,
        task_id: str = "",
        wait_for_session: bool = False,
        parent: Lease | None = None,
        on_started: Callable[[], None] = lambda: None,
        recorded: Callable[[], Awaitable[None]] = at_once,
    ) -> Run:
        """Start a run. See :meth:`stream_query` for what is raised."""
        if not task_id:
            self._arrivals.note()
        match = self._commands.match(request) if self._commands is not None else None
        if self._commands is not None and match is not None:
            return await self._commands.start(
                match, request, agent_id, task_id=task_id, parent=parent, on_started=on_started
            )
        slot = await self._manager.get_agent(agent_id)
        chats = await self._chats.of(agent_id)
        labels = {
            "session_id": request.session_id,
            "user_id": request.user_id,
            "channel": request.channel,
            "task_id": task_id,
        }
        workspace, lease = self._manager.acquire(agent_id, kind, task_id or request.session_id, labels, parent)
        try:
            if not wait_for_session:
                self._check_idle(workspace, request)
            chat = chats.ensure(request.session_id, request.user_id, request.channel, request.text)
            turn = turn_of(
                request,
                lease,
                wait_for_session=wait_for_session,
                on_started=on_started,
                environ=_identity(agent_id, labels),
                recorded=recorded,
            )

            async def work(_run: Run, emit: EventSink) -> None:
                await workspace.runner.run(turn, emit)

            return slot.tracker.start(
                chat.id,
                request.session_id,
                lease,
                workspace.generation,
                work,
                on_abandon=lambda: self._locks.abandon(_session_file(workspace, request), turn.response_id),
            )
        except BaseException:
            lease.release()
            raise

    # -- background tasks ----------------------------------------------------------------------------------------

    async def check(self, agent_id: str) -> None:
        """:raises CopawError: the agent cannot take work, and why."""
        await self._manager.get_agent(agent_id)
        _, lease = self._manager.acquire(agent_id, "task")
        lease.release()

    def session_busy(self, record: TaskRecord) -> bool:
        """Whether a run of a task's session is under way."""
        workspace, lease = self._manager.acquire(record.agent_id, "task")
        files = SessionFiles(workspace.snapshot.files.sessions_dir)
        lease.release()
        return self._locks.locked(files.path(record.user_id, record.session_id))

    async def start_task(
        self,
        record: TaskRecord,
        began: Callable[[], None],
        open_calls: Sequence[OpenCall],
        parent: Hold | None = None,
        recorded: Callable[[], Awaitable[None]] = at_once,
    ) -> RunHandle:
        """Start the run of a task; see :class:`copaw.app.background.live.TaskRuns`."""
        await self._manager.get_agent(record.agent_id)
        if record.kind is TaskKind.TOOL:
            return self._start_tool(record, began, parent if isinstance(parent, Lease) else None)
        request = parse_request(record.request)
        if record.resumes and await self._mend(record, request, open_calls):
            request = parse_request({**record.request, "input": continuation()})
        kind = "child" if record.chain else "task"
        return await self.start(
            request,
            record.agent_id,
            kind=kind,
            task_id=record.id,
            wait_for_session=True,
            on_started=began,
            recorded=recorded,
        )

    def _start_tool(self, record: TaskRecord, began: Callable[[], None], parent: Lease | None) -> Run:
        agent_id, call = record.agent_id, record.request
        labels = {
            "session_id": record.session_id,
            "user_id": record.user_id,
            "channel": record.channel,
            "task_id": record.id,
        }
        workspace, lease = self._manager.acquire(agent_id, "task", record.id, labels, parent)
        try:
            turn = tool_turn(
                record.session_id, record.user_id, record.channel, lease, began, _identity(agent_id, labels)
            )

            async def work(_run: Run, emit: EventSink) -> None:
                await workspace.runner.call(turn, call["tool"], call["arguments"], emit)

            tracker = self._manager.slot(agent_id).tracker
            return tracker.start(record.id, record.session_id, lease, workspace.generation, work)
        except BaseException:
            lease.release()
            raise

    async def _mend(self, record: TaskRecord, request: AgentRequest, open_calls: Sequence[OpenCall]) -> bool:
        """Close what an interrupted run left open in its session. Whether the session holds the request."""
        workspace, lease = self._manager.acquire(record.agent_id, "task", record.id)
        try:
            files = SessionFiles(workspace.snapshot.files.sessions_dir)
            path = files.path(record.user_id, record.session_id)
            async with self._locks.hold(path):
                return await asyncio.to_thread(_close_open_calls, files, path, request.text, open_calls)
        finally:
            lease.release()

    def _check_idle(self, workspace: Workspace, request: AgentRequest) -> None:
        if self._locks.locked(_session_file(workspace, request)):
            raise SessionBusy(request.session_id)


def _session_file(workspace: Workspace, request: AgentRequest) -> Path:
    return SessionFiles(workspace.snapshot.files.sessions_dir).path(request.user_id, request.session_id)


def _identity(agent_id: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Lets a shell tool, and the CLI in it, know on whose behalf it runs."""
    return {"COPAW_AGENT_ID": agent_id, "COPAW_SESSION_ID": labels["session_id"]}


def _close_open_calls(files: SessionFiles, path: Path, text: str, open_calls: Sequence[OpenCall]) -> bool:
    state = files.load(path)
    if not holds_request(state.content, text):
        return False
    content = close_open_calls(state.content, open_calls)
    if content != state.content:
        state.content = content
        agent = state.raw.get("agent") or {}
        files.save(state, agent_name=agent.get("name") or "", sys_prompt=agent.get("_sys_prompt") or "")
    return True
