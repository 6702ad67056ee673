"""Running a request on behalf of a timer: on a generation of its own lease, within its time, with its output sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from copaw.app.crons.entry import Result
from copaw.app.runner.request import AgentRequest
from copaw.app.runner.task_tracker import Run
from copaw.errors import CopawError, EndReason
from copaw.ports import Json

logger = logging.getLogger(__name__)

UNWIND_S = 30.0
"""How long a run whose time is up may take to end before it is no longer waited for."""

StartRun = Callable[[AgentRequest, str], Awaitable[Run]]
"""Starts a run of a lease kind (``cron``, ``heartbeat``) behind whatever its session does. Raises ``CopawError``."""

Send = Callable[[str], Awaitable[None]]
"""Sends a text to whom it is for. Raises ``CopawError``."""


async def run_request(
    start: StartRun, request: AgentRequest, *, kind: str, timeout_s: float, send: Send | None, stream: bool
) -> Result:
    """Run a request to its end and send what it says.

    :param timeout_s: for the run, its waiting for the session included. It is ended with the cause ``timeout`` then.
    :param send: ``None`` sends nothing; the answer is in the session all the same.
    :param stream: send each message as it is complete, and not only the last one.
    :raises CopawError: it could not be started, or its output not be sent.
    """
    run = await start(request, kind)
    output = _Output(send, stream)
    try:
        async with asyncio.timeout(timeout_s) as limit:
            await _follow(run, output)
    except TimeoutError:
        if not limit.expired():
            raise
        run.stop(EndReason.TIMEOUT)
    try:
        terminal = await asyncio.wait_for(run.wait_end(), UNWIND_S)
    except TimeoutError:
        error = f"It did not end within {UNWIND_S:g} s after its time limit of {timeout_s:g} s was reached."
        return Result("error", error, EndReason.TIMEOUT)
    await output.finish()
    result = _result(run, terminal, timeout_s)
    if result.status == "success" and output.problem:
        return Result("error", f"It ran, and its answer is in the session, but was not sent: {output.problem}")
    return result


async def _follow(run: Run, output: _Output) -> None:
    async with aclosing(run.follow()) as events:
        async for event in events:
            payload = event.payload
            if payload["object"] == "message" and payload["status"] == "completed":
                await output.message(payload)


def _result(run: Run, terminal: Json, timeout_s: float) -> Result:
    if terminal["status"] == "completed":
        return Result("success")
    match run.end_reason:
        case None:
            return Result("error", (terminal.get("error") or {}).get("message") or "The run failed.")
        case EndReason.TIMEOUT:
            return Result("error", f"{EndReason.TIMEOUT.sentence} ({timeout_s:g} s)", EndReason.TIMEOUT)
        case reason:
            return Result("cancelled", EndReason(reason).sentence, reason)


class _Output:
    """Sends the messages of a run."""

    def __init__(self, send: Send | None, stream: bool) -> None:
        self.problem = ""
        self._send = send
        self._stream = stream
        self._last = ""

    async def message(self, payload: Json) -> None:
        text = text_of(payload)
        if not text:
            return
        if self._stream:
            await self._deliver(text)
        else:
            self._last = text

    async def finish(self) -> None:
        if self._last:
            await self._deliver(self._last)

    async def _deliver(self, text: str) -> None:
        if self._send is None:
            return
        try:
            await self._send(text)
        except CopawError as error:
            # The run is not to blame; it goes on, and the rest is still tried.
            self.problem = error.message


def text_of(payload: Json) -> str:
    """What a completed message of the agent says; empty for thoughts and tool calls."""
    if payload.get("type") != "message":
        return ""
    return "\n".join(item["text"] for item in payload.get("content") or [] if item.get("text"))
