"""Run one child process with bounded output, a time limit, and nothing left behind when the caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from copaw.tools.output import HeadTail
from copaw.tools.reaper import KILL_BOUND_S, end_session

logger = logging.getLogger(__name__)

KIB = 1024
_CHUNK_BYTES = 256 * KIB
# Reads on for a process that outlives the command: with nobody reading, its next print would end it.
_DRAIN = "exec 3<&0; cat <&3 >/dev/null 2>&1 &"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Bounds of one run.

    :param output_bytes: kept of each of stdout and stderr, head and tail.
    :param timeout_grace_s: between SIGTERM and SIGKILL when the time limit is reached.
    :param cancel_grace_s: the same when the caller is cancelled.
    :param linger_s: how long to read on after the command ended while something it started holds its output.
    """

    output_bytes: int = 64 * KIB
    timeout_grace_s: float = 2.0
    cancel_grace_s: float = 0.5
    linger_s: float = 0.3


@dataclass(frozen=True, slots=True)
class ProcessOutcome:
    """How a run ended.

    :param returncode: exit code, or minus the number of the signal that ended it; None if it was not seen to end.
    :param held_open: something the command started lives on and holds its stdout or stderr.
    """

    returncode: int | None
    stdout: str
    stderr: str
    timed_out: bool
    held_open: bool


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    timeout_s: float,
    limits: ProcessLimits = ProcessLimits(),
    on_output: Callable[[], None] = lambda: None,
) -> ProcessOutcome:
    """Run a command without input, in a session of its own.

    :param environ: the whole environment of the child.
    :param on_output: called when output arrives.
    :raises OSError: it cannot be started.

    When the time limit is reached, the command and everything it started are ended and the outcome says so.
    A cancellation goes on only after the same has been done, in about a second at most.
    What a command that ends by itself leaves in the background lives on.
    """
    run = _Run(limits, on_output)
    finished = False
    try:
        await run.start(argv, cwd, environ)
        timed_out = not await run.exited_within(timeout_s)
        if timed_out:
            await run.end(limits.timeout_grace_s)
        held_open = await run.read_to_end()
        if held_open and not timed_out:
            await run.hand_over_output()
        finished = True
        return run.outcome(timed_out, held_open)
    finally:
        if not finished:
            await _in_spite_of_cancellation(run.end(limits.cancel_grace_s), "end of a cancelled command")
        run.close()


class _Run(asyncio.SubprocessProtocol):
    def __init__(self, limits: ProcessLimits, on_output: Callable[[], None]) -> None:
        self._limits = limits
        self._streams = [_Stream(limits.output_bytes, on_output) for _ in ("stdout", "stderr")]
        self._starting: asyncio.Task[None] | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()

    def process_exited(self) -> None:
        self._exited.set()

    async def start(self, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        # Shielded: cancelled in the middle, asyncio would kill the command alone and forget what it started.
        self._starting = asyncio.create_task(self._start(argv, cwd, environ), name="start of a command")
        await asyncio.shield(self._starting)

    async def _start(self, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as write_ends:
            stdout, stderr = [write_ends.enter_context(stream.open()) for stream in self._streams]
            self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=dict(environ),
                start_new_session=True,
            )

    async def exited_within(self, timeout_s: float) -> bool:
        # Not wait_for: in Python 3.11 it loses a cancellation that comes in the tick of the exit.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._exited.wait()
        return self._exited.is_set()

    async def read_to_end(self) -> bool:
        """Wait for the end of both streams, but not for ever; tells whether one is still held open."""
        ends = [asyncio.ensure_future(stream.ended) for stream in self._streams]
        _, pending = await asyncio.wait(ends, timeout=self._limits.linger_s)
        return bool(pending)

    async def end(self, grace_s: float) -> None:
        """End the command and everything it started."""
        if self._starting is None:
            return
        await asyncio.wait({self._starting})
        if self._transport is not None:
            await end_session(self._transport.get_pid(), grace_s)
            # The news of the exit comes by a thread of asyncio; closing before it would reap the child twice.
            await self.exited_within(KILL_BOUND_S)

    async def hand_over_output(self) -> None:
        """Let somebody else read what nobody here will, so that background processes can write on."""
        for stream in self._streams:
            if not stream.ended.done():
                fd = stream.detach()
                try:
                    await asyncio.to_thread(_drain, fd)
                finally:
                    os.close(fd)

    def outcome(self, timed_out: bool, held_open: bool) -> ProcessOutcome:
        stdout, stderr = (stream.kept.text() for stream in self._streams)
        code = self._transport.get_returncode() if self._transport else None
        return ProcessOutcome(code, stdout, stderr, timed_out, held_open)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        if self._transport is not None:
            self._transport.close()


class _Stream:
    """The reading end of one pipe, whose descriptor is ours alone.

    Not a transport of the loop: asyncio's own subprocess pipes end together with its process, and uvloop closes the
    descriptor of a file that it is given and then the file, which by then may close that of another thread.
    """

    def __init__(self, limit_bytes: int, on_output: Callable[[], None]) -> None:
        self.kept = HeadTail(limit_bytes)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_output = on_output
        self._fd: int | None = None

    def open(self) -> IO[bytes]:
        """Make the pipe and start reading; gives the writing end."""
        self._fd, writing = os.pipe()
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read, self._fd)
        return open(writing, "wb", 0)  # noqa: PTH123 - a descriptor, closed by the caller

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if data:
            self.kept.feed(data)
            self._on_output()
        else:
            self.close()

    def detach(self) -> int:
        """Stop reading; gives the descriptor, which is the caller's to close."""
        fd, self._fd = self._fd, None
        if fd is None:
            raise ValueError("the stream is not open")
        asyncio.get_running_loop().remove_reader(fd)
        os.set_blocking(fd, True)
        return fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self.detach())
        if not self.ended.done():
            self.ended.set_result(None)


def _drain(fd: int) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(["/bin/sh", "-c", _DRAIN], stdin=fd, stdout=quiet, stderr=quiet, start_new_session=True, check=False)


async def _in_spite_of_cancellation(work: Coroutine[Any, Any, None], name: str) -> None:
    """Finish bounded work although the caller is cancelled, also when it is cancelled again meanwhile.

    The first cancellation is on its way up already, so that the later ones add nothing.
    """
    task = asyncio.create_task(work, name=name)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if (error := task.exception()) is not None:
        # Not raised: it would take the place of the cancellation, and the run would go on.
        logger.error("%s failed", name, exc_info=error)
