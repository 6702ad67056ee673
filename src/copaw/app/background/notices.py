"""Telling the conversation that a task was begun from, in the web console or in a channel, that it has ended.

A notice is recorded as delivered when its channel has taken it. What is not delivered when the server ends is
delivered by the next one; so after a crash a notice may come twice, but never not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from copaw.aiokits.tasks import TaskOwner
from copaw.app.background.outcome import answer_of
from copaw.app.background.records import Asker, CallbackState, TaskKind, TaskRecord
from copaw.app.background.store import TaskStore
from copaw.errors import CopawError, Unavailable

logger = logging.getLogger(__name__)

MAX_CHARS = 2000
"""What is longer is cut; the task itself has the whole answer."""

Tell = Callable[[Asker, str], Awaitable[bool]]
"""Gives a text to a conversation. ``False`` if it did not arrive and it is worth trying at the next start."""


class Notices:
    """Tells of the ends of tasks.

    :param tell: raises ``Unavailable`` if the conversation cannot be reached at the moment, another ``CopawError`` if
        it cannot any more.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._store: TaskStore | None = None
        self._owner = TaskOwner("notice")

    def begin(self, store: TaskStore, owner: str) -> None:
        """The ledger is open: tell what a former process did not."""
        self._store = store
        self._owner.spawn(self._catch_up(store, owner), "catch-up")

    async def _catch_up(self, store: TaskStore, owner: str) -> None:
        for record in await store.notices_pending(owner):
            self.deliver(record)

    def deliver(self, record: TaskRecord) -> None:
        """Tell of the end of a task, in the background, if somebody wants to hear of it."""
        if record.asker is not None and record.notice_state is CallbackState.PENDING:
            self._owner.spawn(self._deliver(record, record.asker), record.id)

    async def _deliver(self, record: TaskRecord, asker: Asker) -> None:
        state = CallbackState.DELIVERED
        try:
            if not await self._tell(asker, notice(record)):
                return
        except Unavailable as error:
            logger.warning("the end of task %s is not told yet: %s", record.id, error.message)
            return
        except CopawError as error:
            state = CallbackState.FAILED
            logger.error("the end of task %s could not be told to %s: %s", record.id, asker, error.message)
        assert self._store is not None
        try:
            await self._store.annotate(record.id, notice_state=state)
        except Unavailable as error:
            logger.warning("that the end of task %s was told is not recorded: %s", record.id, error.message)

    async def aclose(self) -> None:
        """Stop telling; the next start goes on."""
        await self._owner.aclose()


def notice(record: TaskRecord) -> str:
    """What is told."""
    what = f"tool {record.request.get('tool')}" if record.kind is TaskKind.TOOL else f"agent {record.agent_id}"
    answer = answer_of(record)
    text = f"Task {record.id} of {what} has ended ({record.state}). {answer}".rstrip()
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}..."
