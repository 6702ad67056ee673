"""Nobody but the account's owner gets in, when log-in is on.

What is public is decided by the very path that routes are matched with, so that no spelling of a path is one thing
here and another there. Everything that is not listed is protected, except the files of the console: those are served
for whatever path no operation has, and hold no secret.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from copaw.app.authentication import Authentication
from copaw.app.callers import bearer_token, from_this_machine
from copaw.app.error_answers import error_answer
from copaw.errors import CopawError, Unauthenticated

PUBLIC = frozenset({"/healthz", "/readyz", "/api/auth/status", "/api/auth/login", "/api/auth/register"})
"""Open to everybody. Registering refuses by itself once somebody is registered."""
OPERATIONS = frozenset({"api", "mcp", "metrics", "openapi.json", "docs", "redoc"})
"""First parts of paths that are no files of the console."""
_TOKEN_IN_QUERY = re.compile(
    r"/api/(agents/[^/]+/)?(tasks/[^/]+/events|agent/compatible-mode/v1/responses/[^/]+|files/preview/.+)"
)
"""What pages open without being able to send a header: event streams, and files shown in the page."""
_LOG_IN = (
    "Log in to use this server. On its own machine the command line does so by itself; "
    "`copaw auth token` there makes a token for COPAW_API_TOKEN elsewhere."
)


class RequireLogin:
    """ASGI middleware. While log-in is off, it hands over to ``app`` at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        authentication: Authentication = scope["app"].state.services.authentication
        if not authentication.enabled or (scope["type"] == "http" and is_public(scope)):
            return self._app(scope, receive, send)
        return self._check(authentication, scope, receive, send)

    async def _check(self, authentication: Authentication, scope: Scope, receive: Receive, send: Send) -> None:
        token = bearer_token(scope) or query_token(scope)
        try:
            username = await authentication.username_of(token, local=from_this_machine(scope))
            refused: CopawError | None = None if username is not None else Unauthenticated(_LOG_IN)
        except CopawError as error:
            refused = error
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await error_answer(refused)(scope, receive, send)
        else:
            # Before it is accepted: the server answers the handshake with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": refused.message[:100]})


def is_public(scope: Scope) -> bool:
    """Whether everybody may send this request."""
    path = route_path(scope)
    if path in PUBLIC:
        return True
    # Printable: a route's pattern also matches its path with a line feed behind it.
    is_file = path.isprintable() and path[1:].split("/", 1)[0] not in OPERATIONS
    return is_file and scope["method"] in ("GET", "HEAD")


def query_token(scope: Scope) -> str | None:
    """``?token=``, where that is accepted."""
    if scope.get("method") not in ("GET", "HEAD") or _TOKEN_IN_QUERY.fullmatch(route_path(scope)) is None:
        return None
    tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
    return tokens[0] if len(tokens) == 1 else None


def route_path(scope: Scope) -> str:
    """The path that routes are matched with: without ``root_path``, as Starlette takes it off."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :]
    return path
