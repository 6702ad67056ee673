"""A whole server for tests: the real command in a process of its own, its own home, real HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from copaw.ports import Json

COMMAND = (sys.executable, "-m", "copaw")
START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 15.0
LOOK_INTERVAL_S = 0.02
PATIENCE_S = 20.0
_LISTENING = "Listening on "


class ServerFailed(RuntimeError):
    """The server did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class EventStream:
    """The events of one answer, as they come. ``seen`` has every event so far."""

    def __init__(self, response: httpx.Response, frames: AsyncGenerator[Json, None]) -> None:
        self.response = response
        self.seen: list[Json] = []
        self._frames = frames

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """Read up to the first event that is wanted, and return it.

        :raises AssertionError: the stream ended without one.
        """
        async with asyncio.timeout(PATIENCE_S):
            async for event in self._frames:
                self.seen.append(event)
                if wanted(event):
                    return event
        raise AssertionError(f"the stream ended without what was awaited; its last events: {self.seen[-2:]}")

    async def rest(self) -> list[Json]:
        """Read to the end, and return all events from the first one on."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self._frames:
                self.seen.append(event)
        return self.seen


async def _frames_of(response: httpx.Response) -> AsyncGenerator[Json, None]:
    buffer = b""
    async for chunk in response.aiter_bytes():
        *frames, buffer = (buffer + chunk).split(b"\n\n")
        for frame in frames:
            data = [line[5:].strip() for line in frame.split(b"\n") if line.startswith(b"data:")]
            if data:
                yield json.loads(b"\n".join(data))


@dataclass(slots=True)
class RunningServer:
    """A running server.

    :param environ: for commands that talk to it.
    :param http: sends to it; paths begin with ``/``.
    :param log_file: what it writes to stderr.
    """

    base_url: str
    pid: int
    working_dir: Path
    secret_dir: Path
    log_file: Path
    environ: Mapping[str, str]
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process = field(repr=False)

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def workspace(self, agent_id: str = "default") -> Path:
        """The agent's directory, if it was not given another one."""
        return self.working_dir / "workspaces" / agent_id

    # -- talking to it -------------------------------------------------------------------------------------------

    async def cli(self, *arguments: str) -> Finished:
        """Run the ``copaw`` command in its environment, to its end."""
        return await run_command(*arguments, environ=self.environ)

    async def call(
        self, method: str, path: str, body: object = None, *, status: int = 200, agent_id: str | None = None
    ) -> Any:
        """Send a request below ``/api``, insist on the status, return the JSON of the answer."""
        response = await self.send(method, path, body, agent_id=agent_id)
        assert response.status_code == status, (method, path, response.status_code, response.text)
        return response.json()

    async def send(self, method: str, path: str, body: object = None, *, agent_id: str | None = None) -> httpx.Response:
        """Send a request below ``/api``."""
        return await self.http.request(method, f"/api{path}", json=body, headers=_headers(agent_id))

    @asynccontextmanager
    async def stream(
        self, body: object, *, path: str = "/agent/process", agent_id: str | None = None
    ) -> AsyncIterator[EventStream]:
        """Start something and listen. Leaving the block hangs up."""
        sent = self.http.stream("POST", f"/api{path}", json=body, headers=_headers(agent_id))
        async with sent as response, aclosing(_frames_of(response)) as frames:
            yield EventStream(response, frames)

    async def events(self, body: object, *, path: str = "/agent/process", agent_id: str | None = None) -> list[Json]:
        """Start something and listen to its end."""
        async with self.stream(body, path=path, agent_id=agent_id) as stream:
            return await stream.rest()

    async def ask(self, text: str, *, agent_id: str | None = None, **fields: object) -> str:
        """The answer to a message. :raises AssertionError: the run failed."""
        return answer_of((await self.events(message(text, **fields), agent_id=agent_id))[-1])

    # -- what it is doing ----------------------------------------------------------------------------------------

    async def lifecycle(self, agent_id: str = "default") -> Json:
        """Generations, leases and the last reload of an agent."""
        document: Json = await self.call("GET", f"/agents/{agent_id}/lifecycle")
        return document

    async def wait_lifecycle(
        self, until: Callable[[Json], bool], agent_id: str = "default", *, within_s: float = PATIENCE_S
    ) -> Json:
        """Wait until an agent's lifecycle is as wanted, and return it."""
        document: Json = {}

        async def reached() -> bool:
            nonlocal document
            document = await self.lifecycle(agent_id)
            return until(document)

        await wait_until(reached, within_s=within_s, what=lambda: f"lifecycle {json.dumps(document)}")
        return document

    async def settled(self, agent_id: str = "default") -> int:
        """Wait until no reload is pending; the generation that serves then."""
        document = await self.wait_lifecycle(lambda found: not found["reload_pending"], agent_id)
        generation: int = document["generation"]
        return generation

    async def drained(self, agent_id: str = "default") -> Json:
        """Wait until nobody holds a lease and every replaced generation is closed."""
        return await self.wait_lifecycle(
            lambda found: [bool(one["leases"]) for one in found["generations"]] == [False], agent_id
        )

    # -- its end -------------------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def wait_ended(self, within_s: float = END_TIMEOUT_S) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()


@asynccontextmanager
async def running_server(
    home: Path,
    *,
    environ: Mapping[str, str] | None = None,
    wait_ready: bool = True,
    command: Sequence[str] = COMMAND,
) -> AsyncIterator[RunningServer]:
    """Start a server below ``home`` on a free loopback port; end it by its process id, with SIGTERM, then SIGKILL.

    :param environ: further variables.
    :param wait_ready: return when its agents serve, and not as soon as it listens.
    :param command: what to start in place of ``copaw``, with its arguments.
    :raises ServerFailed: it did not start.
    """
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    own = {**server_environ(home), **(environ or {})}
    log_file = home / "server.log"
    async with AsyncExitStack() as stack:
        with log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(*command, "app", "--port", "0"),
                env=own,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        stack.push_async_callback(_end, process)
        base_url = await _address(process, log_file)
        http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=PATIENCE_S)
        await stack.enter_async_context(http)
        working, secret = Path(own["COPAW_WORKING_DIR"]), Path(own["COPAW_SECRET_DIR"])
        server = RunningServer(base_url, process.pid, working, secret, log_file, own, http, process)
        if wait_ready:
            await wait_until(lambda: _is_ready(http), within_s=START_TIMEOUT_S, what=lambda: _tail(log_file))
        yield server


async def run_command(*arguments: str, environ: Mapping[str, str]) -> Finished:
    """Run the ``copaw`` command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments),
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())


def server_environ(home: Path) -> dict[str, str]:
    """This process's environment without any setting of copaw or of a proxy, and with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COPAW_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "COPAW_WORKING_DIR": str(home / "copaw"), "COPAW_SECRET_DIR": str(home / "copaw.secret")}


async def wait_until(
    condition: Callable[[], Any], *, within_s: float = PATIENCE_S, what: Callable[[], str] = lambda: "the condition"
) -> None:
    """Wait until ``condition()``, awaited if need be, holds.

    :param what: says what was found instead.
    :raises AssertionError: it did not come to hold in time.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not reached within {within_s:g} s: {what()}"
        await asyncio.sleep(LOOK_INTERVAL_S)


def message(text: str, **fields: object) -> Json:
    """A request with one user message."""
    content = [{"type": "text", "text": text}]
    return {"input": [{"role": "user", "type": "message", "content": content}], **fields}


def answer_of(response: Json) -> str:
    """The text of the last message of a response. :raises AssertionError: it did not complete."""
    assert response.get("status") == "completed", response
    return "".join(item["text"] for item in response["output"][-1]["content"] if item["type"] == "text")


def _headers(agent_id: str | None) -> dict[str, str]:
    return {} if agent_id is None else {"X-Agent-Id": agent_id}


async def _address(process: asyncio.subprocess.Process, log_file: Path) -> str:
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_S):
            async for line in process.stdout:
                if line.decode().startswith(_LISTENING):
                    return line.decode().removeprefix(_LISTENING).strip()
    raise ServerFailed(f"The server does not listen; the end of its log: {_tail(log_file)}")


def _tail(log_file: Path) -> str:
    return log_file.read_text("utf-8", "replace")[-2000:]


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
