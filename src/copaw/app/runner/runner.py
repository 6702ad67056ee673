"""A turn: from a request to its terminal event, on one generation's resources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from copaw.app.runner.events import AGENT_ERROR, ResponseStream, ended_error, error_object
from copaw.app.runner.session import SessionFiles, SessionState
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.errors import CopawError, SessionBusy
from copaw.ports import EventSink, ToolContext, Turn

if TYPE_CHECKING:
    from agentscope.memory import InMemoryMemory

    from copaw.agents.factory import AgentFactory

logger = logging.getLogger(__name__)

SAVE_TIMEOUT_S = 5.0
"""How long the last save of a run that was asked to end may take, in seconds."""


class SessionLocks(Protocol):
    """One lock per session file, across all generations of all agents."""

    def locked(self, key: Path) -> bool: ...

    def hold(self, key: Path, owner: str) -> AbstractAsyncContextManager[None]: ...


class AgentTurnRunner:
    """Runs turns of one generation.

    :param make_context: what the tools of a turn may know.
    :param report: tells people of something that concerns a session, such as a damaged file.
    """

    def __init__(
        self,
        *,
        factory: AgentFactory,
        agent_name: str,
        sessions: SessionFiles,
        locks: SessionLocks,
        make_context: Callable[[Turn], ToolContext],
        report: Callable[[str, str], None],
    ) -> None:
        self._factory = factory
        self._agent_name = agent_name
        self._sessions = sessions
        self._locks = locks
        self._make_context = make_context
        self._report = report

    async def run(self, turn: Turn, emit: EventSink) -> None:
        """See :class:`copaw.ports.TurnRunner`."""
        stream = ResponseStream(emit, turn.response_id, turn.session_id, turn.created_at)
        speaker = ResponseSpeaker(stream, self._factory.origin)
        try:
            stream.begin()
            await self._in_session(turn, stream, speaker)
            stream.complete()
        except asyncio.CancelledError:
            speaker.close()
            reason = turn.end_reason()
            stream.fail(ended_error(reason) if reason else error_object(AGENT_ERROR, "The run was cancelled."))
            raise
        except CopawError as error:
            speaker.close()
            stream.fail(error_object(error.code, error.message))
        except Exception as error:
            logger.exception("a turn of session %s failed", turn.session_id)
            speaker.close()
            stream.fail(error_object(AGENT_ERROR, f"{type(error).__name__}: {error}"))

    async def _in_session(self, turn: Turn, stream: ResponseStream, speaker: ResponseSpeaker) -> None:
        path = self._sessions.path(turn.user_id, turn.session_id)
        if self._locks.locked(path) and not turn.wait_for_session:
            raise SessionBusy(turn.session_id)
        async with self._locks.hold(path, turn.response_id):
            turn.on_started()
            state = await asyncio.to_thread(self._sessions.load, path)
            if state.set_aside is not None:
                text = f"The record of this conversation was damaged. It was kept as {state.set_aside.name}."
                self._report(turn.session_id, text)
            await self._with_agent(turn, state, speaker)

    async def _with_agent(self, turn: Turn, state: SessionState, speaker: ResponseSpeaker) -> None:
        from agentscope.memory import InMemoryMemory
        from agentscope.message import Msg

        from copaw.agents.messages import to_msgs

        memory = InMemoryMemory()
        memory._compressed_summary = state.summary
        memory.content = [(Msg.from_dict(message), marks) for message, marks in state.content]
        saver = _Saver(self._sessions, state, memory, self._agent_name, turn.abandoned)
        agent = await self._factory.make(memory, self._make_context(turn), speaker, saver.save, turn.end_reason)
        saver.sys_prompt = agent.sys_prompt
        try:
            await agent(to_msgs(turn.input))
        except asyncio.CancelledError:
            await _bounded(saver.save(), f"the last save of session {turn.session_id}")
            raise
        except Exception:
            # What was done before it failed is worth keeping, and the user's message with it.
            await saver.save()
            raise
        await saver.save()


class _Saver:
    """Persists a memory into its session; an entry that did not change keeps the form it was read in."""

    def __init__(
        self,
        sessions: SessionFiles,
        state: SessionState,
        memory: InMemoryMemory,
        agent_name: str,
        abandoned: Callable[[], bool],
    ) -> None:
        self._sessions = sessions
        self._state = state
        self._memory = memory
        self._agent_name = agent_name
        self._abandoned = abandoned
        self._known = {message.get("id"): message for message, _ in state.content if message.get("id")}
        self._writing: asyncio.Future[None] | None = None
        self.sys_prompt = ""

    async def save(self) -> None:
        if self._abandoned():
            # The session belongs to somebody else by now.
            logger.warning("session file %s: a late save of an abandoned run was dropped", self._state.path)
            return
        if self._writing is not None and not self._writing.done():
            # A save that was cancelled still writes in its thread; an older state must not land on a newer one.
            await asyncio.wait([self._writing])
        for message, _ in self._memory.content:
            if message.id not in self._known:
                self._known[message.id] = message.to_dict()
        self._state.content = [(self._known[message.id], list(marks)) for message, marks in self._memory.content]
        self._state.summary = self._memory._compressed_summary
        save = asyncio.to_thread(
            self._sessions.save, self._state, agent_name=self._agent_name, sys_prompt=self.sys_prompt
        )
        self._writing = asyncio.ensure_future(save)
        await asyncio.shield(self._writing)


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
