"""``/api/agent``: one run as a stream, background tasks, health; and the doors to the further dialects."""

import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from copaw.aiokits.files import decode_json
from copaw.app.background.submission import MAX_BODY_BYTES, parse_submission
from copaw.app.background.view import legacy_status, submission_answer
from copaw.app.process_info import process_status
from copaw.app.protocols import ROUTES
from copaw.app.routers.bodies import check_storable
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.handover import Handover
from copaw.app.routers.local_caller import require_local_caller
from copaw.app.runner.request import parse_request
from copaw.app.services import Services
from copaw.app.sse import event_stream, frames_of
from copaw.errors import BadInput, Conflict, CopawError, NotFound, PayloadTooLarge
from copaw.ports import Json

router = APIRouter(prefix="/agent", tags=["agent-api"])

_MODE = "daemon_thread"


async def read_body(request: Request) -> Any:
    """The JSON of a body.

    :raises BadInput: it is not JSON, or not such as can be stored and answered again.
    :raises PayloadTooLarge: it has more than :data:`MAX_BODY_BYTES`.
    """
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB.", field="body")
    try:
        body = decode_json(bytes(data), unique_keys=False)
    except ValueError as error:
        raise BadInput(f"The body is not valid JSON: {error}", field="body") from error
    check_storable(body)
    return body


@router.post("/process")
async def process(request: Request, agent_id: AgentId, services: ServicesDep) -> Response:
    """Run a request and stream its events."""
    try:
        body = await read_body(request)
    except BadInput as error:
        return refusal(error)
    return await start_stream(body, agent_id, services, kind="stream")


async def start_stream(body: Any, agent_id: str, services: Services, *, kind: str) -> Response:
    """Start the run of a request's body and answer its events.

    Clients of 1.0.2 look for a refusal inside the stream, so a bad body and a busy session are 200 there.
    """
    try:
        run = await services.runner.start(parse_request(body), agent_id, kind=kind)
    except (BadInput, Conflict) as error:
        return refusal(error)
    return event_stream(frames_of(run))


def refusal(error: CopawError) -> Response:
    """A stream that says why there is no run."""
    return event_stream(_refusal(error.message))


async def _refusal(message: str) -> AsyncIterator[bytes]:
    yield f"data: {json.dumps({'error': message}, ensure_ascii=False)}\n\n".encode()


@router.post("/process/task")
async def submit_task(
    request: Request,
    agent_id: AgentId,
    services: ServicesDep,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Json:
    """Accept a background task. The id is answered once the task is recorded."""
    body = await read_body(request)
    parsed = parse_request(body)
    running = services.config.agent(agent_id).running
    submission = parse_submission(
        agent_id,
        body,
        parsed.model_dump(mode="json"),
        default_timeout_s=running.background_task_timeout_seconds,
        idempotency_key=idempotency_key,
    )
    return submission_answer(await services.tasks.submit(submission))


@router.get("/process/task/{task_id}")
async def task_status(task_id: str, services: ServicesDep) -> Json:
    """The state of a background task in the shapes of 1.0.2; 200 also for a task that is unknown."""
    try:
        return legacy_status(await services.tasks.get(task_id))
    except NotFound:
        return {"error": f"Task {task_id} not found"}


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


def _add_protocol_route(path: str, method: str) -> None:
    async def hand_over(request: Request, agent_id: AgentId) -> Response:
        return Handover(request, agent_id, path)

    router.add_api_route(path, hand_over, methods=[method], include_in_schema=False)


for _path, _method in ROUTES:
    _add_protocol_route(_path, _method)
