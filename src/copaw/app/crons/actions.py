"""What the entries of an agent's schedule do when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from copaw.app.crons.checks import MAX_SECONDS, messages_of, request_of
from copaw.app.crons.entry import Entry, Result
from copaw.app.crons.heartbeat import grace_of, parse_every, parse_hours
from copaw.app.crons.running import Send, StartRun, run_request
from copaw.app.crons.store import Job
from copaw.app.runner.request import parse_request
from copaw.config.models import HeartbeatConfig
from copaw.config.models.run_state import LastDispatchConfig
from copaw.errors import CopawError
from copaw.ports import Clock

HEARTBEAT = "heartbeat"
HEARTBEAT_SESSION = "main"
HEARTBEAT_TIMEOUT_S = 600.0

SendTo = Callable[[str, str, str, str], Awaitable[None]]
"""Sends through a channel to a user's session a text. Raises ``CopawError``."""


def job_key(job_id: str) -> str:
    """The entry of a job."""
    return f"job:{job_id}"


class AgentSurroundings(Protocol):
    """What a schedule needs to know of its agent, as it is at the moment of asking."""

    def heartbeat(self) -> HeartbeatConfig:
        """How it wakes up."""

    def timezone(self) -> str:
        """The user's time zone."""

    def last_dispatch(self) -> LastDispatchConfig | None:
        """Where it last heard from its user."""

    async def heartbeat_prompt(self) -> str:
        """What it is told when it wakes up; empty if there is nothing to do. Raises ``CopawError``."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Makes entries.

    :param start: starts a run of the agent.
    :param send: sends through the agent's channels.
    :param notify: leaves a text for a session in the web console.
    """

    start: StartRun
    send: SendTo
    notify: Callable[[str, str], None]
    clock: Clock

    # -- jobs ------------------------------------------------------------------------------------------------

    def entry_of(self, job: Job) -> Entry:
        """The entry of a job; without a trigger if it is switched off or cannot be scheduled."""
        runtime = job.spec.runtime
        return Entry(
            key=job_key(job.spec.id),
            trigger=job.trigger if job.spec.enabled else None,
            run=lambda: self._job(job),
            max_concurrency=runtime.max_concurrency,
            grace_s=min(runtime.misfire_grace_seconds, MAX_SECONDS),
        )

    async def _job(self, job: Job) -> Result:
        spec = job.spec
        try:
            result = await self._do(job)
        except CopawError as error:
            result = Result("error", error.message)
        if result.status == "error":
            self.notify(spec.dispatch.target.session_id, f"Scheduled job '{spec.name}' failed: {result.error}")
        return result

    async def _do(self, job: Job) -> Result:
        spec = job.spec
        target = spec.dispatch.target

        async def send(text: str) -> None:
            await self.send(spec.dispatch.channel, target.user_id, target.session_id, text)

        if job.problem is not None:
            return Result("error", job.problem)
        timeout_s = float(min(spec.runtime.timeout_seconds, MAX_SECONDS))
        if spec.task_type == "text":
            return await _sent(send, spec.text or "", timeout_s)
        return await run_request(
            self.start,
            request_of(spec),
            kind="cron",
            timeout_s=timeout_s,
            send=send,
            stream=spec.dispatch.mode == "stream",
        )

    # -- the heartbeat ---------------------------------------------------------------------------------------

    def heartbeat_entry(self, agent: AgentSurroundings) -> Entry:
        """The entry of an agent's heartbeat.

        :raises BadInput: how often or when cannot be understood.
        """
        config = agent.heartbeat()
        trigger = parse_every(config.every, agent.timezone())
        parse_hours(config, agent.timezone())
        return Entry(
            key=HEARTBEAT,
            trigger=trigger if config.enabled else None,
            run=lambda: self._heartbeat(agent),
            grace_s=grace_of(trigger),
            coalesce=True,
        )

    async def _heartbeat(self, agent: AgentSurroundings) -> Result:
        config = agent.heartbeat()
        hours = parse_hours(config, agent.timezone())
        if hours is not None and not hours.contain(self.clock.time()):
            return Result("skipped", "Outside the active hours.")
        prompt = await agent.heartbeat_prompt()
        if not prompt:
            return Result("skipped", "The heartbeat file says nothing to do.")
        request = parse_request(
            {"input": messages_of(prompt), "session_id": HEARTBEAT_SESSION, "user_id": HEARTBEAT_SESSION}
        )
        return await run_request(
            self.start,
            request,
            kind="heartbeat",
            timeout_s=HEARTBEAT_TIMEOUT_S,
            send=self._send_last(agent.last_dispatch()) if config.target == "last" else None,
            stream=True,
        )

    def _send_last(self, last: LastDispatchConfig | None) -> Send | None:
        if last is None or not last.channel:
            return None

        async def send(text: str) -> None:
            await self.send(last.channel, last.user_id, last.session_id, text)

        return send


async def _sent(send: Send, text: str, timeout_s: float) -> Result:
    try:
        async with asyncio.timeout(timeout_s):
            await send(text)
    except TimeoutError:
        return Result("error", f"It could not be sent within {timeout_s:g} s.", "timeout")
    return Result("success")
