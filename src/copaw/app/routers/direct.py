"""What is called most, without the way through FastAPI.

Matching, dependencies and the serialisation of an answer cost FastAPI a tenth of a millisecond a request: half of what
reading a task's state takes. So these paths are plain routes. They call the operations of the other modules, which
stay the description of the interface and what answers below ``/api/agents/{agentId}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from copaw.app.routers import console, process
from copaw.app.routers.deps import requested_agent
from copaw.app.utils import services_of


async def _process(request: Request) -> Response:
    services = services_of(request)
    return await process.process(request, await requested_agent(request, services), services)


async def _chat(request: Request) -> Response:
    services = services_of(request)
    return await console.chat(request, await requested_agent(request, services), services)


async def _submit_task(request: Request) -> Response:
    services = services_of(request)
    agent_id = await requested_agent(request, services)
    key = request.headers.get("Idempotency-Key")
    return JSONResponse(await process.submit_task(request, agent_id, services, key))


async def _task_status(request: Request) -> Response:
    return JSONResponse(await process.task_status(request.path_params["task_id"], services_of(request)))


def _route(method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    route = Route(path, endpoint, methods=[method])
    route.methods = {method}  # Starlette adds HEAD, which the described operation does not have.
    return route


ROUTES = (
    _route("POST", "/api/agent/process", _process),
    _route("POST", "/api/agent/process/task", _submit_task),
    _route("GET", "/api/agent/process/task/{task_id}", _task_status),
    _route("POST", "/api/console/chat", _chat),
)
"""To be tried before all others."""
