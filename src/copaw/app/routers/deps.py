"""What every router needs: the services, and which agent a request is for."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import Depends, Request, Response

from copaw.app.services import Services
from copaw.app.utils import schedule_agent_reload, services_of
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


async def agent_reload(request: Request, response: Response, agent_id: AgentId) -> Callable[[], int]:
    """What marks the agent of a request as changed; see :func:`copaw.app.utils.schedule_agent_reload`."""
    return partial(schedule_agent_reload, request, agent_id, response)


ReloadAgent = Annotated[Callable[[], int], Depends(agent_reload)]
"""To be called once the change is made."""
