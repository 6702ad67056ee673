"""What a start does before it takes new work: every row says the truth, and what was to be resumed is."""

from __future__ import annotations

import asyncio
import logging
import time

from copaw.app.background.outcome import Remains, ended_result, frame_of, state_after
from copaw.app.background.records import SERVER_DIED, EventChunk, TaskRecord, TaskState
from copaw.app.background.store import TaskStore
from copaw.app.background.submission import again

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""A task that was interrupted so often is not resumed any more: it may be what ends the server."""
_PAGE = 1000
_AT_ONCE = 12


async def recover(store: TaskStore, owner: str) -> list[TaskRecord]:
    """End the owner's tasks that a former process left unfinished; answer the tasks that resume them, queued.

    May itself be ended at any point and run again.

    :raises Unavailable: the store cannot be used at the moment.
    """
    unfinished = await store.unfinished(owner)
    for start in range(0, len(unfinished), _AT_ONCE):
        # Together, so that they share their commits.
        await asyncio.gather(*(_end(store, record) for record in unfinished[start : start + _AT_ONCE]))
    resumed = []
    for record in await store.resumable(owner):
        if record.attempt >= MAX_ATTEMPTS:
            logger.warning("task %s was interrupted %d times and is not resumed", record.id, record.attempt)
            continue
        following = again(record, owner, resumes=record.started_at is not None or record.resumes)
        if await store.resume(record.id, following):
            resumed.append(following)
    return resumed


async def read_remains(store: TaskStore, task_id: str) -> Remains:
    """What the stored events of a task tell."""
    chunks: list[EventChunk] = []
    while page := await store.events(task_id, chunks[-1].last if chunks else -1, _PAGE):
        chunks += page
    return Remains(chunks)


async def _end(store: TaskStore, record: TaskRecord) -> None:
    remains = await read_remains(store, record.id)
    now = time.time()
    if remains.terminal is not None:
        # It had ended; only its row had not been told.
        reason = (remains.terminal.get("error") or {}).get("reason")
        state, result, chunks = state_after(remains.terminal, reason), remains.terminal, []
    else:
        reason, state = SERVER_DIED, TaskState.INTERRUPTED
        result = ended_result(record, SERVER_DIED, now, remains.output())
        sequence = remains.last + 1
        chunks = [EventChunk(record.id, sequence, sequence, frame_of(sequence, result))]
    await store.advance(record.id, state, chunks=chunks, ended_at=now, end_reason=reason, result=result)
    logger.warning("task %s of agent %s was left %s; it is %s now", record.id, record.agent_id, record.state, state)
