"""A turn: from a request to its terminal event, on one generation's resources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from copaw.aiokits.group_writer import GroupWriter
from copaw.app.runner.ending import ending
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.received import Receiver
from copaw.app.runner.saver import Saver, SessionRecords, memory_of
from copaw.app.runner.session import SessionFiles, SessionState
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.app.runner.tool_call import run_tool_call
from copaw.errors import SessionBusy
from copaw.ports import Compacted, EventSink, Json, Tool, ToolContext, Turn

if TYPE_CHECKING:
    from agentscope.memory import InMemoryMemory

    from copaw.agents.factory import AgentFactory

logger = logging.getLogger(__name__)

NO_TOOLS: Mapping[str, Tool] = MappingProxyType({})
SAVE_TIMEOUT_S = 5.0
"""How long the last save of a run that was asked to end may take, in seconds."""


class SessionLocks(Protocol):
    """One lock per session file, across all generations of all agents."""

    def locked(self, key: Path) -> bool: ...

    def hold(self, key: Path, owner: str) -> AbstractAsyncContextManager[None]: ...


class AgentTurnRunner:
    """Runs turns of one generation.

    :param receive: prepares what a request brings along.
    :param kept: keeps what leaves a session.
    :param make_context: what the tools of a turn may know.
    :param report: tells people of something that concerns a session, such as a damaged file.
    :param tools: those that can be called beside a conversation, by name.
    """

    def __init__(
        self,
        *,
        factory: AgentFactory,
        agent_name: str,
        sessions: SessionFiles,
        kept: KeptFiles,
        receive: Receiver,
        locks: SessionLocks,
        make_context: Callable[[Turn], ToolContext],
        report: Callable[[str, str], None],
        tools: Mapping[str, Tool] = NO_TOOLS,
    ) -> None:
        self._factory = factory
        self._agent_name = agent_name
        self._sessions = sessions
        self._writer = GroupWriter()
        self._kept = kept
        self._receive = receive
        self._locks = locks
        self._make_context = make_context
        self._report = report
        self._tools = tools

    async def call(self, turn: Turn, tool: str, arguments: Json, emit: EventSink) -> None:
        """See :class:`copaw.ports.TurnRunner`."""
        await run_tool_call(turn, tool, arguments, emit, self._tools.get(tool), self._make_context(turn))

    async def run(self, turn: Turn, emit: EventSink) -> None:
        """See :class:`copaw.ports.TurnRunner`."""
        stream = ResponseStream(emit, turn.response_id, turn.session_id, turn.created_at)
        speaker = ResponseSpeaker(stream, self._factory.origin)
        with ending(stream, turn, speaker.finish):
            stream.begin()
            async with self._session(turn) as state:
                await self._with_agent(turn, state, speaker)

    async def compact(self, turn: Turn, instructions: str = "") -> Compacted:
        """See :class:`copaw.ports.TurnRunner`."""
        async with self._session(turn) as state:
            memory = memory_of(state)
            saver = self._saver(turn, state, memory)
            keeper = await self._factory.keeper(self._records(turn, state), _unheard)
            compacted = await keeper.compact(memory, instructions)
            if compacted.messages:
                await self._save_held(saver, turn)
            return compacted

    def _saver(self, turn: Turn, state: SessionState, memory: InMemoryMemory) -> Saver:
        return Saver(self._sessions, self._writer, state, memory, self._agent_name, turn.abandoned)

    async def _save_held(self, saver: Saver, turn: Turn) -> None:
        try:
            await saver.save()
        except asyncio.CancelledError:
            # The session is held until nothing of this writes to it any more.
            await _bounded(saver.settled(), f"the save of session {turn.session_id}")
            raise

    @asynccontextmanager
    async def _session(self, turn: Turn) -> AsyncIterator[SessionState]:
        """Hold the turn's session, whichever generations work for the agent.

        :raises SessionBusy: somebody else holds it, and the turn does not want to wait.
        """
        path = self._sessions.path(turn.user_id, turn.session_id)
        if self._locks.locked(path) and not turn.wait_for_session:
            raise SessionBusy(turn.session_id)
        async with self._locks.hold(path, turn.response_id):
            turn.on_started()
            yield await self._loaded(turn, path)

    async def _loaded(self, turn: Turn, path: Path) -> SessionState:
        # All that a turn reads, in one go to a thread.
        def load() -> SessionState:
            self._factory.read_prompt()
            self._kept.sweep()
            return self._sessions.load(path)

        # Whoever listens gets the first event now: the thread competes with the loop for the interpreter.
        await asyncio.sleep(0)
        state = await asyncio.to_thread(load)
        if state.set_aside is not None:
            text = f"The record of this conversation was damaged. It was kept as {state.set_aside.name}."
            self._report(turn.session_id, text)
        return state

    def _records(self, turn: Turn, state: SessionState) -> SessionRecords:
        return SessionRecords(self._kept, state.path, partial(self._report, turn.session_id))

    async def _with_agent(self, turn: Turn, state: SessionState, speaker: ResponseSpeaker) -> None:
        from copaw.agents.messages import to_msgs

        memory = memory_of(state)
        saver = self._saver(turn, state, memory)
        records = self._records(turn, state)
        agent = await self._factory.make(
            memory, self._make_context(turn), speaker, records, saver.save, turn.end_reason
        )
        saver.sys_prompt = agent.sys_prompt
        try:
            await agent(to_msgs(await self._receive(turn.input)))
        except asyncio.CancelledError:
            await _bounded(saver.save(), f"the last save of session {turn.session_id}")
            raise
        except Exception:
            # What was done before it failed is worth keeping, and the user's message with it.
            await saver.save()
            raise
        await saver.save()


def _unheard(_usage: Json) -> None:
    """Token counts of a call that belongs to no response."""


async def _bounded(work: Awaitable[None], what: str) -> None:
    """Finish ``work`` although this task was cancelled, but not for ever."""
    task = asyncio.ensure_future(work)
    with suppress(asyncio.CancelledError):
        # A second cancellation must not lose what the first one let us save.
        done, _ = await asyncio.wait([task], timeout=SAVE_TIMEOUT_S)
        if not done:
            logger.error("%s did not end within %g s", what, SAVE_TIMEOUT_S)
            task.cancel()
        elif (error := task.exception()) is not None:
            logger.error("%s failed: %s", what, error)
