"""What every router needs: the services, and which agent a request is for."""

from typing import Annotated

from fastapi import Depends, Request

from copaw.app.services import Services
from copaw.app.utils import services_of
from copaw.errors import AgentDisabled


async def get_services(request: Request) -> Services:
    return services_of(request)


ServicesDep = Annotated[Services, Depends(get_services)]


async def requested_agent(request: Request, services: ServicesDep) -> str:
    """The agent of a request: path, else ``X-Agent-Id``, else the active agent, else ``default``.

    :raises AgentNotFound: 404. :raises AgentDisabled: 403.
    """
    config = services.config
    agent_id = (
        request.path_params.get("agentId")
        or request.headers.get("X-Agent-Id")
        or config.root.agents.active_agent
        or "default"
    )
    if not config.ref(agent_id).enabled:
        raise AgentDisabled(agent_id)
    return agent_id


AgentId = Annotated[str, Depends(requested_agent)]
