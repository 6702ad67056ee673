"""``/api/agent/compatible-mode/v1/responses``: OpenAI Responses, in background mode on the task ledger.

A request without ``background`` is agentscope-runtime's to answer; background responses are tasks.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response

from copaw.app.background.records import TaskRecord
from copaw.app.background.responses.events import response_frames
from copaw.app.background.responses.request import agent_body, task_id_of
from copaw.app.background.responses.view import response_json
from copaw.app.background.submission import parse_submission
from copaw.app.protocols import RESPONSES_PATH
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.handover import Handover
from copaw.app.routers.process import read_body
from copaw.app.routers.tasks import task_frames
from copaw.app.runner.request import parse_request
from copaw.app.services import Services
from copaw.app.sse import event_stream
from copaw.errors import BadInput
from copaw.ports import Json

router = APIRouter(prefix=f"/agent{RESPONSES_PATH}", tags=["agent-api"])

CANCEL_PATIENCE_S = 5.0
"""How long a cancel waits for the end, so that its answer is the last word if possible."""


@router.post("")
async def create_response(
    request: Request,
    agent_id: AgentId,
    services: ServicesDep,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Answer a request, or with ``background`` accept it as a task."""
    body = await read_body(request)
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object with an 'input'.", field="body")
    background, stream = _flag(body, "background"), _flag(body, "stream")
    given = body.get("input")
    if not given or not (isinstance(given, str) or (isinstance(given, list) and _are_objects(given))):
        raise BadInput("Field 'input': must be text or a list of messages.", field="input")
    if not background:
        return Handover(request, agent_id, RESPONSES_PATH, body=body, unwrap=not stream)
    record = await _submit(body, agent_id, services, idempotency_key)
    return _events(services, record.id, -1) if stream else JSONResponse(response_json(record))


def _are_objects(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _flag(body: Json, name: str) -> bool:
    value: Any = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadInput(f"Field '{name}': must be true or false.", field=name)
    return bool(value)


async def _submit(body: Json, agent_id: str, services: Services, idempotency_key: str | None) -> TaskRecord:
    previous = body.get("previous_response_id")
    session = None
    if previous is not None:
        before = await services.tasks.get(task_id_of(str(previous)))
        session = before.session_id, before.user_id
    parsed = parse_request(agent_body(body, session)).model_dump(mode="json")
    submission = parse_submission(
        agent_id,
        body,
        parsed,
        default_timeout_s=services.config.agent(agent_id).running.background_task_timeout_seconds,
        idempotency_key=idempotency_key,
    )
    return await services.tasks.submit(submission)


def _events(services: Services, task_id: str, after: int) -> Response:
    tasks = services.tasks
    frames = task_frames(tasks, task_id, -1)
    return event_stream(response_frames(frames, lambda: tasks.get(task_id), lambda: tasks.wait(task_id), after))


@router.get("/{response_id}")
async def show_response(
    response_id: str,
    services: ServicesDep,
    stream: bool = False,
    starting_after: Annotated[int, Query(ge=-1)] = -1,
) -> Response:
    """A background response; with ``stream`` its events after ``starting_after``, to its end."""
    record = await services.tasks.get(task_id_of(response_id))
    return _events(services, record.id, starting_after) if stream else JSONResponse(response_json(record))


@router.post("/{response_id}/cancel")
async def cancel_response(response_id: str, services: ServicesDep) -> Json:
    """Ask a background response to end. Harmless when it has ended or was asked before."""
    task_id = task_id_of(response_id)
    record = await services.tasks.cancel(task_id)
    if not record.state.terminal:
        record = await services.tasks.wait(task_id, CANCEL_PATIENCE_S)
    return response_json(record)
