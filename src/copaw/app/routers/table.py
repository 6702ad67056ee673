"""Every operation, in the order in which paths are tried."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from copaw.app.routers import (
    a2a,
    agent_files,
    agent_settings,
    agents,
    audio,
    auth,
    channels,
    chats,
    console,
    cron,
    direct,
    envs,
    files,
    heartbeat,
    lifecycle,
    llm_routing,
    mcp,
    mcp_endpoint,
    messages,
    models,
    not_here,
    pages,
    process,
    responses,
    settings,
    tasks,
    token_usage,
    tools,
    version,
    workspace,
)
from copaw.app.routers.area import Area

AGENT_SCOPED = (
    agent_settings,
    agent_files,
    channels,
    console,
    cron,
    heartbeat,
    llm_routing,
    mcp,
    messages,
    chats,
    process,
    responses,
    a2a,
    settings,
    audio,
    tools,
    workspace,
    not_here,
)
"""Routers that also exist below ``/api/agents/{agentId}``."""


def add_routes(application: FastAPI) -> None:
    """Add them to an application."""

    def add(prefix: str, *routers: APIRouter) -> None:
        for router in routers:
            application.include_router(Area(router, prefix), prefix=prefix)

    # Routes are tried in order: what is called most comes first.
    application.router.routes.extend(direct.ROUTES)
    for probe in (lifecycle.probes, not_here.voice_router, mcp_endpoint.router):
        application.include_router(probe)
    add("/api", process.router, *(module.router for module in AGENT_SCOPED if module is not process))
    # Before /agents/{agentId}: its sub-paths are more specific.
    add("/api", lifecycle.agent_router)
    add("/api/agents/{agentId}", *(module.router for module in AGENT_SCOPED))
    add(
        "/api",
        *(module.router for module in (agents, auth, models, token_usage, envs, files, tasks, version, lifecycle)),
    )
    add("/api", settings.server_router, not_here.server_router)
    application.include_router(pages.router)
