"""``/mcp``: the door to copaw as an MCP server. Only for callers on this machine."""

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from copaw.app.routers.local_caller import require_loopback

router = APIRouter(include_in_schema=False)


class _Handover(Response):
    """An answer that another ASGI application gives."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._request.app.state.mcp_endpoint.handle(scope, receive, send)


@router.api_route("/mcp", methods=["GET", "POST", "DELETE"])
async def mcp(request: Request) -> Response:
    """:raises Forbidden: the caller is on another machine."""
    require_loopback(request)
    return _Handover(request)
