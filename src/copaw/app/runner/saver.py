"""From the memory of an agent to its session, and what leaves the memory on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from copaw.aiokits.group_writer import GroupWriter
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.session import SessionFiles, SessionState
from copaw.ports import Json

if TYPE_CHECKING:
    from agentscope.memory import InMemoryMemory
    from agentscope.message import Msg

logger = logging.getLogger(__name__)


def memory_of(state: SessionState) -> InMemoryMemory:
    """The memory of an agent that goes on with a session."""
    from agentscope.memory import InMemoryMemory

    from copaw.agents.messages import StoredMsg

    memory = InMemoryMemory()
    memory._compressed_summary = state.summary
    memory.content = [(StoredMsg(message), marks) for message, marks in state.content]
    return memory


class Saver:
    """Persists a memory into its session; a message that did not change keeps the form it was read in.

    :param memory: made by :func:`memory_of` from ``state``.
    :param writer: shared by the sessions of an agent.
    :param abandoned: whether the session belongs to somebody else by now.
    """

    def __init__(
        self,
        sessions: SessionFiles,
        writer: GroupWriter,
        state: SessionState,
        memory: InMemoryMemory,
        agent_name: str,
        abandoned: Callable[[], bool],
    ) -> None:
        self._sessions = sessions
        self._writer = writer
        self._state = state
        self._memory = memory
        self._agent_name = agent_name
        self._abandoned = abandoned
        read = zip(memory.content, state.content, strict=True)
        self._known = {message.id: (message, form) for (message, _), (form, _) in read}
        self._writing: asyncio.Future[None] | None = None
        self.sys_prompt = str((state.raw.get("agent") or {}).get("_sys_prompt") or "")

    async def save(self) -> None:
        """Write the session as the memory is now. When cancelled, the write that has begun goes on to its end."""
        if self._abandoned():
            logger.warning("session file %s: a late save of an abandoned run was dropped", self._state.path)
            return
        # A save that was cancelled still writes in its thread; an older state must not land on a newer one.
        await self.settled()
        self._state.content = [(self._form(message), list(marks)) for message, marks in self._memory.content]
        self._state.summary = self._memory._compressed_summary
        document = partial(
            self._sessions.document, self._state, agent_name=self._agent_name, sys_prompt=self.sys_prompt
        )
        self._writing = self._writer.write(self._state.path, document)
        await asyncio.shield(self._writing)

    async def settled(self) -> None:
        """Wait until the write that has begun, if any, has ended; however it did."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _form(self, message: Msg) -> Json:
        known = self._known.get(message.id)
        if known is not None and known[0] is message:
            return known[1]
        # A message whose tool results were shortened is another object; what the file had besides stays.
        form = {**(known[1] if known is not None else {}), **message.to_dict()}
        self._known[message.id] = (message, form)
        return form


class SessionRecords:
    """Keeps what leaves one session. Implements :class:`copaw.agents.context.keeper.Records`.

    :param path: the session's file.
    :param tell: tells the session's user of something.
    """

    def __init__(self, kept: KeptFiles, path: Path, tell: Callable[[str], None]) -> None:
        self._kept = kept
        self._path = path
        self._tell = tell

    async def keep_result(self, text: str) -> str:
        return await asyncio.to_thread(self._kept.keep_result, text)

    async def keep_messages(self, entries: Sequence[tuple[Msg, list[str]]], summary: str) -> str:
        content = [(message.to_dict(), list(marks)) for message, marks in entries]
        return await asyncio.to_thread(self._kept.keep_messages, self._path, content, summary, "compact")

    def report(self, text: str) -> None:
        self._tell(text)
