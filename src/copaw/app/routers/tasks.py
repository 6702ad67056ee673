"""``/api/tasks``: the ledger of background tasks."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from copaw.app.background.follow import stored_frames
from copaw.app.background.records import TaskKind, TaskQuery, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.view import task_json, task_summary
from copaw.app.routers.deps import ServicesDep
from copaw.app.runner.task_tracker import Run
from copaw.app.sse import KEEP_ALIVE_S, event_stream, frames_of
from copaw.errors import BadInput
from copaw.ports import Json

router = APIRouter(prefix="/tasks", tags=["tasks"])

MAX_PAGE = 500
MAX_WAIT_S = 3600.0
_KEEP_ALIVE = b": keep-alive\n\n"


@router.get("")
async def list_tasks(
    services: ServicesDep,
    agent_id: str | None = None,
    state: TaskState | None = None,
    session_id: str | None = None,
    kind: TaskKind | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: str | None = None,
) -> Json:
    """Tasks, newest first. ``next_cursor`` asks for the next page; it is null on the last one."""
    page = await services.tasks.page(TaskQuery(agent_id, state, session_id, limit, cursor, kind))
    return {"tasks": [task_summary(record) for record in page.tasks], "next_cursor": page.next_cursor}


@router.get("/{task_id}")
async def show_task(task_id: str, services: ServicesDep) -> Json:
    """A whole task, with its input and its result."""
    return task_json(await services.tasks.get(task_id))


@router.get("/{task_id}/wait")
async def wait_for_task(
    task_id: str, services: ServicesDep, timeout: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 60.0
) -> Json:
    """The task when it has ended, or as it is after ``timeout`` seconds."""
    return task_json(await services.tasks.wait(task_id, timeout))


@router.get("/{task_id}/events")
async def follow_task(
    task_id: str,
    request: Request,
    services: ServicesDep,
    starting_after: Annotated[int, Query(ge=-1)] = -1,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The events of the task's run, from the first one or after the one that is named, to the last.

    ``Last-Event-ID`` counts before ``starting_after``, because a client that reconnects repeats its address.
    """
    after = _event_id(last_event_id) if last_event_id else starting_after
    await services.tasks.get(task_id)
    return event_stream(task_frames(services.tasks, task_id, after))


def _event_id(text: str) -> int:
    try:
        return max(-1, int(text))
    except ValueError:
        raise BadInput("Header 'Last-Event-ID': not the number of an event.", field="Last-Event-ID") from None


async def task_frames(tasks: TaskService, task_id: str, after: int) -> AsyncGenerator[bytes, None]:
    """The events of a task as frames: from its run while that is in memory, else from the ledger."""
    live = tasks.live(task_id)
    while live is not None and not live.settled.is_set():
        if not await live.wait_settled(KEEP_ALIVE_S):
            yield _KEEP_ALIVE
    if live is not None and isinstance(live.run, Run):
        async for frames in frames_of(live.run, after):
            yield frames
        return
    await tasks.wait(task_id)
    async for frames in stored_frames(await tasks.store(), task_id, after):
        yield frames


@router.post("/{task_id}/cancel", status_code=202)
async def cancel_task(task_id: str, services: ServicesDep) -> Json:
    """Ask the task to end. Harmless when it has ended or was asked before."""
    return task_summary(await services.tasks.cancel(task_id))


@router.post("/{task_id}/retry", status_code=201)
async def retry_task(task_id: str, services: ServicesDep) -> Json:
    """Ask for the same again; the answer is the new task. Only for a task that has ended."""
    return task_summary(await services.tasks.retry(task_id))


@router.delete("/{task_id}")
async def delete_task(task_id: str, services: ServicesDep) -> Json:
    """Forget a task that has ended, and its events. Its session stays."""
    await services.tasks.delete(task_id)
    return {"deleted": True}
