"""``/api/agent``: one run as a stream, background tasks, health; and the doors to the further dialects."""

import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from copaw.app.background.service import RunHandle, Submission
from copaw.app.background.store import TaskRecord
from copaw.app.process_info import process_status
from copaw.app.protocols import ROUTES
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.local_caller import require_local_caller
from copaw.app.runner.request import parse_request
from copaw.app.services import Services
from copaw.app.sse import event_stream, frames_of
from copaw.errors import BadInput, Conflict, NotFound
from copaw.ports import Json

router = APIRouter(prefix="/agent", tags=["agent-api"])

_MODE = "daemon_thread"
_QUEUE = "stream_query"


async def read_body(request: Request) -> Any:
    """:raises BadInput: the body is not JSON."""
    try:
        return await request.json()
    except ValueError as error:
        raise BadInput(f"The body is not valid JSON: {error}", field="body") from error


@router.post("/process")
async def process(request: Request, agent_id: AgentId, services: ServicesDep) -> Response:
    """Run a request and stream its events."""
    return await start_stream(request, agent_id, services, kind="stream")


async def start_stream(request: Request, agent_id: str, services: Services, *, kind: str) -> Response:
    """Start the run of a request's body and answer its events.

    Clients of 1.0.2 look for a refusal inside the stream, so a bad body and a busy session are 200 there.
    """
    try:
        run = await services.runner.start(parse_request(await read_body(request)), agent_id, kind=kind)
    except (BadInput, Conflict) as error:
        return event_stream(_refusal(error.message))
    return event_stream(frames_of(run))


async def _refusal(message: str) -> AsyncIterator[bytes]:
    yield f"data: {json.dumps({'error': message}, ensure_ascii=False)}\n\n".encode()


@router.post("/process/task")
async def submit_task(request: Request, agent_id: AgentId, services: ServicesDep) -> Json:
    """Accept a background task. The id is answered once the task is recorded."""
    body = await read_body(request)
    parsed = parse_request(body)
    running = services.config.agent(agent_id).running
    submission = Submission(
        agent_id=agent_id,
        session_id=parsed.session_id,
        user_id=parsed.user_id,
        timeout_s=_timeout_s(body, running.background_task_timeout_seconds),
    )

    async def start(task_id: str, began: Any) -> RunHandle:
        return await services.runner.start(
            parsed, agent_id, kind="task", task_id=task_id, wait_for_session=True, on_started=began
        )

    record = await services.tasks.submit(submission, start)
    return {
        "task_id": record.id,
        "status": "submitted",
        "queue": _QUEUE,
        "message": "The task was accepted and runs in the background.",
    }


def _timeout_s(body: Json, default: float) -> float:
    """``timeout`` of the body in seconds, a number or its digits.

    :raises BadInput: it is not a positive number.
    """
    value = body.get("timeout")
    if value is None:
        return default
    try:
        timeout_s = float(value)
    except (TypeError, ValueError):
        timeout_s = 0.0
    if not 0 < timeout_s < float("inf"):
        raise BadInput(f"Field 'timeout': {value!r} is not a positive number of seconds.", field="timeout")
    return timeout_s


@router.get("/process/task/{task_id}")
async def task_status(task_id: str, services: ServicesDep) -> Json:
    """The state of a background task in the shapes of 1.0.2; always 200."""
    try:
        return legacy_status(await services.tasks.get(task_id))
    except NotFound:
        return {"error": f"Task {task_id} not found"}


def legacy_status(record: TaskRecord) -> Json:
    """A record as clients of 1.0.2 read it."""
    if not record.state.terminal:
        return {"status": "pending", "result": None}
    if record.result is None:
        return {"status": "error", "result": f"The task ended as {record.state} without a result."}
    return {"status": "finished", "result": record.result}


@router.get("/health")
async def health(services: ServicesDep) -> Json:
    ready = "ready" if services.ready.is_set() else "starting"
    return {"status": "healthy", "mode": _MODE, "runner": ready}


@router.get("/")
async def root() -> Json:
    """Where things are."""
    return {
        "service": "AgentScope Runtime",
        "mode": _MODE,
        "endpoints": {
            "process": "/process",
            "stream": "/process/stream",
            "health": "/health",
            "task": "/process/task",
            "task_status": "/process/task/{task_id}",
        },
    }


@router.get("/admin/status")
async def admin_status() -> Json:
    return process_status()


@router.post("/shutdown")
async def shutdown(request: Request, services: ServicesDep) -> Json:
    """End the server. Only for a caller on this machine who holds the local token."""
    await require_local_caller(request, services.secrets)
    os.kill(os.getpid(), signal.SIGTERM)
    return {"status": "shutting down"}


@router.post("/admin/shutdown")
async def admin_shutdown(request: Request, services: ServicesDep) -> Json:
    """End the server. Only for a caller on this machine who holds the local token."""
    await require_local_caller(request, services.secrets)
    os.kill(os.getpid(), signal.SIGTERM)
    return {"message": "Shutdown initiated"}


class _Handover(Response):
    """An answer that another ASGI application gives."""

    def __init__(self, request: Request, agent_id: str, path: str) -> None:
        super().__init__()
        self._request = request
        self._agent_id = agent_id
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._request.app.state.protocols.handle(self._agent_id, self._path, scope, receive, send)


def _add_protocol_route(path: str, method: str) -> None:
    async def hand_over(request: Request, agent_id: AgentId) -> Response:
        return _Handover(request, agent_id, path)

    router.add_api_route(path, hand_over, methods=[method], include_in_schema=False)


for _path, _method in ROUTES:
    _add_protocol_route(_path, _method)
