"""The schedule of one agent, and those of all agents."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from copaw.app.crons.actions import HEARTBEAT, Actions, AgentSurroundings, job_key
from copaw.app.crons.checks import check_job
from copaw.app.crons.entry import Entry
from copaw.app.crons.models import CronJobSpec, CronJobState, CronJobView, JobRunRecord
from copaw.app.crons.scheduler import Scheduler
from copaw.app.crons.state import EntryState, StateStore
from copaw.app.crons.store import Job, JobStore
from copaw.app.crons.view import history_view, job_view, state_view
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import BadInput, CopawError, NotFound, Unavailable
from copaw.ports import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where one workspace directory keeps jobs, and what is remembered of them."""

    root: Path
    jobs: JobStore
    states: StateStore


class AgentCrons:
    """The jobs and the heartbeat of one agent. Implements :class:`copaw.app.ingress.port.Ingress`.

    They belong to the agent: a reload leaves due times and runs alone. Jobs can be seen and changed while the agent
    does not serve; only nothing is due then.

    :param open_stores: the stores of the workspace directory that the agent has now.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        open_stores: Callable[[], Stores],
        actions: Actions,
        surroundings: AgentSurroundings,
        clock: Clock,
    ) -> None:
        self.agent_id = agent_id
        self._open_stores = open_stores
        self._actions = actions
        self._surroundings = surroundings
        self._clock = clock
        self._lock = asyncio.Lock()
        self._stores: Stores | None = None
        self._scheduler: Scheduler | None = None
        self._left: list[Scheduler] = []
        self._were_read = False
        self._heartbeat_problem: str | None = None
        self._serving = False
        self._closed = False

    # -- what a slot uses ------------------------------------------------------------------------------------

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        """See :class:`copaw.app.ingress.port.Ingress`."""
        async with self._lock:
            self._serving = snapshot is not None and not self._closed
            if not self._serving:
                if self._scheduler is not None:
                    await self._scheduler.stop()
                return
            await self._open()
            try:
                await self._refresh()
            except CopawError as error:
                logger.error("agent %s: its jobs stay as they were: %s", self.agent_id, error.message)
            await self._reschedule()
            self._schedule.start()

    def refuse_new(self) -> None:
        """See :class:`copaw.app.ingress.port.Ingress`."""
        if self._scheduler is not None:
            self._scheduler.halt()

    async def aclose(self) -> None:
        """Start nothing any more. What runs is ended by its workspace; :meth:`finish` waits for that."""
        async with self._lock:
            self._closed, self._serving = True, False
            if self._scheduler is not None:
                await self._scheduler.stop()

    async def finish(self, timeout_s: float) -> None:
        """After :meth:`aclose`: wait, at most ``timeout_s`` seconds, until it is recorded how each run ended."""
        await self.aclose()
        for scheduler in [*self._left, *([self._scheduler] if self._scheduler is not None else [])]:
            await scheduler.aclose(timeout_s)

    async def let_go(self, timeout_s: float = 5.0) -> None:
        """Forget what was read, once it is recorded how each run ended: the workspace is about to go.

        Whoever makes an agent of the same name begins anew.
        """
        async with self._lock:
            schedulers = [*self._left, *([self._scheduler] if self._scheduler is not None else [])]
            for scheduler in schedulers:
                await scheduler.aclose(timeout_s)
            self._stores, self._scheduler, self._left = None, None, []

    @property
    def _schedule(self) -> Scheduler:
        assert self._scheduler is not None, "opened before it is used"
        return self._scheduler

    @property
    def _jobs_store(self) -> JobStore:
        assert self._stores is not None, "opened before it is used"
        return self._stores.jobs

    async def _open(self) -> None:
        """Read what is stored, once, and again when the workspace has moved."""
        stores = self._open_stores()
        if self._stores is not None and self._stores.root == stores.root:
            return
        scheduler = Scheduler(self.agent_id, states=stores.states, clock=self._clock)
        await scheduler.load()
        if self._scheduler is not None:
            await self._scheduler.stop()
            self._left.append(self._scheduler)
        self._stores, self._scheduler, self._were_read = stores, scheduler, False
        if self._serving:
            scheduler.start()

    async def _reschedule(self) -> None:
        """Make the schedule what jobs and configuration say now."""
        jobs = self._jobs_store.jobs
        entries = {job_key(job.spec.id): self._actions.entry_of(job) for job in jobs.values()}
        heartbeat = self._heartbeat_entry()
        if heartbeat is not None:
            entries[HEARTBEAT] = heartbeat
        try:
            # What is remembered of jobs in a file that cannot be read yet is kept until it can.
            await self._schedule.set_entries(entries, complete=self._were_read and heartbeat is not None)
        except OSError as error:
            logger.error("agent %s: the state of its jobs could not be stored: %s", self.agent_id, error)

    def _heartbeat_entry(self) -> Entry | None:
        self._heartbeat_problem = None
        try:
            return self._actions.heartbeat_entry(self._surroundings)
        except CopawError as error:
            logger.error("agent %s: no heartbeat: %s", self.agent_id, error.message)
            self._heartbeat_problem = error.message
            return None

    # -- what routers use ------------------------------------------------------------------------------------

    async def _current(self) -> None:
        """Take over what was edited on disk. :raises ConfigFileError: jobs.json cannot be used."""
        await self._open()
        if await self._refresh():
            await self._reschedule()

    async def _refresh(self) -> bool:
        changed = await self._jobs_store.refresh()
        self._were_read = True
        return changed

    def _job(self, job_id: str) -> Job:
        try:
            return self._jobs_store.jobs[job_id]
        except KeyError:
            raise NotFound(f"There is no job '{job_id}'. `copaw cron list` shows those there are.") from None

    def _state(self, job_id: str) -> EntryState:
        return self._schedule.states.get(job_key(job_id)) or EntryState()

    async def jobs(self) -> list[CronJobSpec]:
        """Every job. :raises ConfigFileError: jobs.json cannot be used; it names the field."""
        async with self._lock:
            await self._current()
            return [job.spec for job in self._jobs_store.jobs.values()]

    async def view(self, job_id: str) -> CronJobView:
        """One job and how it is. :raises NotFound: there is none."""
        async with self._lock:
            await self._current()
            return job_view(self._job(job_id), self._shown(job_id))

    def _shown(self, job_id: str) -> CronJobState:
        problem = self._job(job_id).problem
        return state_view(self._state(job_id), running=self._schedule.running(job_key(job_id)), problem=problem)

    async def history(self, job_id: str) -> list[JobRunRecord]:
        """What happened to a job, newest first; a bounded number. :raises NotFound: there is none."""
        async with self._lock:
            await self._current()
            self._job(job_id)
            return history_view(self._state(job_id))

    async def create(self, spec: CronJobSpec) -> CronJobSpec:
        """Add a job. An id that is empty or taken is replaced by a new one.

        :raises BadInput: it cannot be run as it is; names the field.
        """
        async with self._lock:
            await self._current()
            if not spec.id.strip() or spec.id in self._jobs_store.jobs:
                spec = spec.model_copy(update={"id": str(uuid.uuid4())})
            return await self._put(spec)

    async def replace(self, job_id: str, spec: CronJobSpec) -> CronJobSpec:
        """Replace a job, or make it. It keeps its due time if its schedule is the same. Raises as :meth:`create`."""
        if spec.id not in ("", job_id):
            raise BadInput(f"id: {spec.id!r} is not the id in the address, {job_id!r}. Leave it empty.", field="id")
        async with self._lock:
            await self._current()
            return await self._put(spec.model_copy(update={"id": job_id}))

    async def _put(self, spec: CronJobSpec) -> CronJobSpec:
        job = Job(spec, await asyncio.to_thread(check_job, spec))

        def change(jobs: dict[str, Job]) -> None:
            jobs[spec.id] = job

        await self._jobs_store.change(change)
        await self._reschedule()
        return spec

    async def delete(self, job_id: str) -> None:
        """Remove a job. What runs of it goes on to its end. :raises NotFound: there is none."""
        async with self._lock:
            await self._current()
            self._job(job_id)
            await self._jobs_store.change(lambda jobs: _remove(jobs, job_id))
            await self._reschedule()

    async def set_paused(self, job_id: str, paused: bool) -> None:
        """Pause a job, or let it go on, also over restarts. :raises NotFound: there is none."""
        async with self._lock:
            await self._prepared(job_id)
            try:
                await self._schedule.set_paused(job_key(job_id), paused)
            except OSError as error:
                raise Unavailable(
                    f"This holds until the server ends, because it could not be stored: {error}"
                ) from error

    async def run_now(self, job_id: str) -> None:
        """Start a job at once; returns when that has begun.

        :raises NotFound: there is none. :raises Conflict: it runs already, as often as it may.
        """
        async with self._lock:
            await self._prepared(job_id)
            await self._schedule.run_now(job_key(job_id))

    async def _prepared(self, job_id: str) -> None:
        await self._current()
        self._job(job_id)
        if job_key(job_id) not in self._schedule.states:
            await self._reschedule()

    async def heartbeat_state(self) -> CronJobState:
        """When it wakes up next, and what came of the last time."""
        async with self._lock:
            await self._open()
            state = self._schedule.states.get(HEARTBEAT) or EntryState()
            return state_view(state, running=self._schedule.running(HEARTBEAT), problem=self._heartbeat_problem)

    async def heartbeat_changed(self) -> None:
        """Follow a change of the heartbeat's configuration, in place: nothing else is touched."""
        async with self._lock:
            if self._scheduler is not None:
                await self._reschedule()


def _remove(jobs: dict[str, Job], job_id: str) -> None:
    jobs.pop(job_id, None)


class Crons:
    """The schedule of every agent.

    :param make: makes that of one agent.
    """

    def __init__(self, make: Callable[[str], AgentCrons]) -> None:
        self._make = make
        self._agents: dict[str, AgentCrons] = {}

    def of(self, agent_id: str) -> AgentCrons:
        """An agent's schedule; made when it is first wanted."""
        if agent_id not in self._agents:
            self._agents[agent_id] = self._make(agent_id)
        return self._agents[agent_id]

    async def timezone_changed(self) -> None:
        """Follow a change of the user's time zone."""
        for agent in list(self._agents.values()):
            await agent.heartbeat_changed()

    async def aclose(self, timeout_s: float = 5.0) -> None:
        """Start nothing any more; wait until it is recorded how what runs has ended."""
        agents = list(self._agents.values())
        await asyncio.gather(*(agent.finish(timeout_s) for agent in agents))
