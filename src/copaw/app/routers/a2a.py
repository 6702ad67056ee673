"""``/api/agent/a2a``: A2A, whose tasks are those of the ledger where that is concerned.

Answered here are ``message/send`` with ``blocking: false``, and ``tasks/get`` and ``tasks/cancel`` for a task of the
ledger. Everything else is agentscope-runtime's to answer.
"""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from copaw.app.background.a2a import INVALID_PARAMS, NOT_CANCELABLE, a2a_task, asked_task, background_body
from copaw.app.background.records import TaskRecord
from copaw.app.background.submission import parse_submission
from copaw.app.protocols import A2A_PATH
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.handover import Handover
from copaw.app.routers.process import read_body
from copaw.app.runner.request import parse_request
from copaw.app.services import Services
from copaw.errors import BadInput, NotFound
from copaw.ports import Json

router = APIRouter(prefix="/agent", tags=["agent-api"])

CANCEL_PATIENCE_S = 5.0
"""How long a cancel waits for the end, so that its answer is the last word if possible."""


@router.post(A2A_PATH, include_in_schema=False)
async def a2a(request: Request, agent_id: AgentId, services: ServicesDep) -> Response:
    """Answer one JSON-RPC call."""
    call = await read_body(request)
    try:
        body = background_body(call)
        if body is not None:
            return _result(call, a2a_task(await _submit(body, agent_id, services)))
        answer = await _task_call(call, services)
    except BadInput as error:
        return _error(call, INVALID_PARAMS, error.message)
    return answer or Handover(request, agent_id, A2A_PATH, body=call)


async def _submit(body: Json, agent_id: str, services: Services) -> TaskRecord:
    timeout_s = services.config.agent(agent_id).running.background_task_timeout_seconds
    parsed = parse_request(body).model_dump(mode="json")
    return await services.tasks.submit(parse_submission(agent_id, body, parsed, default_timeout_s=timeout_s))


async def _task_call(call: Any, services: Services) -> Response | None:
    """``None`` if it is not about a task of the ledger."""
    task_id = asked_task(call)
    if task_id is None:
        return None
    try:
        record = await services.tasks.get(task_id)
    except NotFound:
        return None
    if call["method"] == "tasks/cancel":
        if record.state.terminal:
            return _error(call, NOT_CANCELABLE, f"Task {task_id} is {record.state} and cannot be cancelled.")
        record = await services.tasks.cancel(task_id)
        if not record.state.terminal:
            record = await services.tasks.wait(task_id, CANCEL_PATIENCE_S)
    return _result(call, a2a_task(record))


def _result(call: Any, result: Json) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": call.get("id"), "result": result})


def _error(call: Any, code: int, message: str) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": call.get("id"), "error": {"code": code, "message": message}})
