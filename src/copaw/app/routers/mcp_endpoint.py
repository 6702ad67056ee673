"""``/mcp``: the door to copaw as an MCP server. Only for callers on this machine that show the local token."""

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from copaw.app.routers.deps import ServicesDep
from copaw.app.routers.local_caller import require_local_caller

router = APIRouter(include_in_schema=False)


class _Handover(Response):
    """An answer that another ASGI application gives."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._request.app.state.mcp_endpoint.handle(scope, receive, send)


@router.api_route("/mcp", methods=["GET", "POST", "DELETE"])
async def mcp(request: Request, services: ServicesDep) -> Response:
    """:raises Forbidden: the caller is on another machine, or does not show the token."""
    await require_local_caller(request, services.secrets)
    return _Handover(request)
