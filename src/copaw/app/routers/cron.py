"""The scheduled jobs of one agent. Nothing here reloads it."""

from fastapi import APIRouter

from copaw.app.crons.models import CronJobSpec, CronJobState, CronJobView, JobRunRecord
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.ports import Json

router = APIRouter(prefix="/cron", tags=["cron"], dependencies=[StorableJson])


@router.get("/jobs")
async def list_jobs(agent_id: AgentId, services: ServicesDep) -> list[CronJobSpec]:
    return await services.crons.of(agent_id).jobs()


@router.post("/jobs")
async def create_job(agent_id: AgentId, body: CronJobSpec, services: ServicesDep) -> CronJobSpec:
    """Add a job. An id that is empty or taken is replaced by a new one."""
    return await services.crons.of(agent_id).create(body)


@router.get("/jobs/{job_id}")
async def get_job(agent_id: AgentId, job_id: str, services: ServicesDep) -> CronJobView:
    return await services.crons.of(agent_id).view(job_id)


@router.put("/jobs/{job_id}")
async def replace_job(agent_id: AgentId, job_id: str, body: CronJobSpec, services: ServicesDep) -> CronJobSpec:
    """Replace a job, or make it."""
    return await services.crons.of(agent_id).replace(job_id, body)


@router.delete("/jobs/{job_id}")
async def delete_job(agent_id: AgentId, job_id: str, services: ServicesDep) -> Json:
    await services.crons.of(agent_id).delete(job_id)
    return {"deleted": True}


@router.post("/jobs/{job_id}/pause")
async def pause_job(agent_id: AgentId, job_id: str, services: ServicesDep) -> Json:
    await services.crons.of(agent_id).set_paused(job_id, True)
    return {"paused": True}


@router.post("/jobs/{job_id}/resume")
async def resume_job(agent_id: AgentId, job_id: str, services: ServicesDep) -> Json:
    await services.crons.of(agent_id).set_paused(job_id, False)
    return {"resumed": True}


@router.post("/jobs/{job_id}/run")
async def run_job(agent_id: AgentId, job_id: str, services: ServicesDep) -> Json:
    """Start it now, due or not; returns when that has begun."""
    await services.crons.of(agent_id).run_now(job_id)
    return {"started": True}


@router.get("/jobs/{job_id}/state")
async def get_job_state(agent_id: AgentId, job_id: str, services: ServicesDep) -> CronJobState:
    return (await services.crons.of(agent_id).view(job_id)).state


@router.get("/jobs/{job_id}/history")
async def get_job_history(agent_id: AgentId, job_id: str, services: ServicesDep) -> list[JobRunRecord]:
    """What happened to it, newest first."""
    return await services.crons.of(agent_id).history(job_id)
