"""What can be seen and done about reloads; health and readiness."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from copaw.app.dry_run import dry_run as preview
from copaw.app.lifecycle_view import lifecycle, never_started, reload_outcome
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.services import Services
from copaw.app.utils import REVISION_HEADER
from copaw.errors import BadInput, NotFound
from copaw.ports import Json

router = APIRouter(tags=["lifecycle"])
agent_router = APIRouter(prefix="/agents/{agentId}", tags=["lifecycle"], dependencies=[StorableJson])
probes = APIRouter(tags=["probes"], include_in_schema=False)


@router.get("/lifecycle")
async def all_lifecycles(services: ServicesDep) -> Json:
    """Every agent, in order; those that were deleted but still drain come last."""
    known = services.config.agent_ids()
    leaving = [slot.agent_id for slot in services.manager.slots() if slot.agent_id not in known and slot.generations()]
    return {"agents": [_lifecycle(services, agent_id) for agent_id in (*known, *leaving)]}


@agent_router.get("/lifecycle")
async def agent_lifecycle(agentId: str, services: ServicesDep) -> Json:
    """One agent, also a disabled one."""
    return _lifecycle(services, agentId)


def _lifecycle(services: Services, agent_id: str) -> Json:
    if services.manager.knows(agent_id):
        return lifecycle(services.manager.slot(agent_id))
    return never_started(agent_id, "starting" if services.config.ref(agent_id).enabled else "disabled")


@agent_router.post("/reload")
async def reload_agent(
    agent_id: AgentId,
    services: ServicesDep,
    response: Response,
    wait: bool = False,
    dry_run: bool = False,
    proposed: Annotated[dict[str, Any] | None, Body()] = None,
) -> Json:
    """Apply the agent's configuration as it is now. With ``wait`` the answer is the outcome.

    With ``dry_run`` nothing is done: the answer says what would be, for the fields of ``agent.json`` in the body.
    """
    if dry_run:
        return await preview(services.generations, await services.manager.get_agent(agent_id), proposed)
    if proposed is not None:
        raise BadInput("A body is only for ?dry_run=true; change the configuration by its own routes.", field="body")
    pending = services.manager.start_agent(agent_id)
    revision = services.manager.slot(agent_id).revisions.wanted
    response.headers[REVISION_HEADER] = str(revision)
    if not wait:
        return {"outcome": "accepted", "revision": revision}
    return {**reload_outcome(await asyncio.shield(pending)), "revision": revision}


@agent_router.post("/generations/{generation}/expire")
async def expire_generation(agentId: str, generation: int, services: ServicesDep) -> Json:
    """End the drain of a generation now: what still holds it is asked to stop."""
    slot = services.manager.slot(agentId)
    if not slot.draining.expire(generation):
        raise NotFound(f"Generation {generation} of agent '{agentId}' is not draining.")
    return {"expired": True, "generation": generation}


@probes.get("/healthz")
async def healthz() -> Json:
    """The process is alive."""
    return {"status": "ok"}


@probes.get("/readyz")
async def readyz(services: ServicesDep, response: Response) -> dict[str, Any]:
    """Every enabled agent serves, or it is known why one does not; 503 before and while shutting down."""
    states = {slot.agent_id: slot.state for slot in services.manager.slots()}
    ready = services.ready.is_set() and not services.manager.closing
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    status = {"status": "ready" if ready else "starting"}
    # Anybody may ask; which agents there are is for those who are logged in.
    return status if services.authentication.enabled else {**status, "agents": states}


@probes.get("/metrics")
async def metrics(services: ServicesDep) -> Response:
    """Counts and gauges in Prometheus's text format."""
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
