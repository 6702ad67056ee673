"""The ASGI application, and what others import from here by name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response

import copaw
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.error_answers import error_answer
from copaw.app.logging_setup import configure_logging, open_log_file
from copaw.app.mcp_server.endpoint import McpEndpoint
from copaw.app.middleware.authentication import RequireLogin
from copaw.app.middleware.other_sites import RefuseOtherSites
from copaw.app.protocols import ProtocolRoutes
from copaw.app.routers.table import add_routes
from copaw.app.services import SHUTDOWN_GRACE_S, open_services
from copaw.errors import CopawError
from copaw.paths import Paths

__all__ = ["DynamicMultiAgentRunner", "app", "create_app"]


def create_app(paths: Paths | None = None) -> FastAPI:
    """Make the application.

    :param paths: where things are; from the environment, at start, if omitted.
    """
    docs = os.environ.get("COPAW_OPENAPI_DOCS", "").lower() in ("1", "true", "yes")
    application = FastAPI(
        title="copaw",
        version=copaw.__version__,
        openapi_url="/openapi.json" if docs else None,
        lifespan=lambda app: _lifespan(app, paths or Paths.from_environment()),
    )
    application.add_exception_handler(CopawError, _copaw_error)
    application.add_exception_handler(RequestValidationError, _validation_error)
    _add_middleware(application)
    add_routes(application)
    return application


def _add_middleware(application: FastAPI) -> None:
    """From the inside out: the last one is asked first."""
    application.add_middleware(RequireLogin)
    origins = _listed("COPAW_CORS_ORIGINS")
    application.add_middleware(RefuseOtherSites, trusted_origins=origins)
    if hosts := _listed("COPAW_ALLOWED_HOSTS"):
        application.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    if origins:
        application.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
        )


def _listed(variable: str) -> list[str]:
    return [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]


@asynccontextmanager
async def _lifespan(application: FastAPI, paths: Paths) -> AsyncIterator[dict[str, Any]]:
    grace_s = float(os.environ.get("COPAW_SHUTDOWN_GRACE_SECONDS") or SHUTDOWN_GRACE_S)
    async with AsyncExitStack() as stack:
        stack.enter_context(configure_logging(await asyncio.to_thread(open_log_file, paths)))
        services = await stack.enter_async_context(open_services(paths, shutdown_grace_s=grace_s))
        protocols = ProtocolRoutes(services.runner)
        stack.push_async_callback(protocols.aclose)
        endpoint = McpEndpoint(services)
        stack.push_async_callback(endpoint.aclose)
        application.state.services = services
        application.state.protocols = protocols
        application.state.mcp_endpoint = endpoint
        # For the server: what to await on SIGTERM, before it closes anything, and when the start is over.
        yield {"drain": services.drain, "ready": services.ready}


async def _copaw_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CopawError)
    return error_answer(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Without the input itself: it may hold secrets, and numbers that JSON does not have.
    detail = [{"type": one["type"], "loc": list(one["loc"]), "msg": one["msg"]} for one in error.errors()]
    return JSONResponse({"detail": detail}, 422)


app = create_app()
