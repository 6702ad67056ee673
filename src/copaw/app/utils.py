"""Small things that routers share."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from copaw.app.services import Services

REVISION_HEADER = "X-Reload-Revision"


def services_of(request: Request) -> Services:
    """The services of the application that handles this request."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise RuntimeError("the application has no services: its lifespan did not run")
    return services


def schedule_agent_reload(request: Request, agent_id: str, response: Response | None = None) -> int:
    """Mark an agent as changed; its reload happens behind the answer to this request.

    :param response: gets the header ``X-Reload-Revision``.
    :returns: the revision that is wanted now. An agent that was never started is started by this.
    """
    manager = services_of(request).manager
    outcome = manager.start_agent(agent_id)
    outcome.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    wanted = manager.slot(agent_id).revisions.wanted
    if response is not None:
        response.headers[REVISION_HEADER] = str(wanted)
    return wanted


def schedule_all_reloads(request: Request) -> None:
    """The same for every enabled agent, after a change that may concern each. One it does not stays as it is."""
    config = services_of(request).config
    for agent_id in config.agent_ids():
        if config.ref(agent_id).enabled:
            schedule_agent_reload(request, agent_id)
