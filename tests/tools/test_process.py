from __future__ import annotations

import asyncio
import fcntl
import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from copaw.ports import ToolContext
from copaw.tools.process import ProcessLimits, ProcessOutcome, run_process

Find = Callable[[], list[int]]
QUICK = ProcessLimits(timeout_grace_s=0.1, cancel_grace_s=0.1, linger_s=0.1)
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
FAMILY = "sleep 60 & (sleep 60; true) & setsid sleep 60 & timeout 60 sleep 60 & echo ready; wait"


async def run(
    context: ToolContext,
    command: str,
    *,
    timeout_s: float = 20,
    limits: ProcessLimits = QUICK,
    on_output: Callable[[], None] = lambda: None,
) -> ProcessOutcome:
    return await run_process(
        ["/bin/sh", "-c", command],
        cwd=context.workspace_dir,
        environ={**os.environ, **context.environ},
        timeout_s=timeout_s,
        limits=limits,
        on_output=on_output,
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does, of which there is no event."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def kill(pid: int, processes: Find) -> None:
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not processes())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def started(context: ToolContext, command: str) -> asyncio.Task[ProcessOutcome]:
    """The run of a command that has printed something."""
    printed = asyncio.Event()
    task = asyncio.create_task(run(context, command, on_output=printed.set))
    await asyncio.wait_for(printed.wait(), 10)
    return task


async def test_both_streams_and_the_exit_code_come_back(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, "echo out; echo err >&2; exit 3")
    assert outcome == ProcessOutcome(3, "out\n", "err\n", timed_out=False, held_open=False)


async def test_fifty_megabytes_are_drained_and_cut(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, "echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert outcome.returncode == 0
    assert outcome.stdout.startswith("first\nxxx")
    assert outcome.stdout.endswith("xxx\nlast\n")
    # first, newline, the line of x and its newline, last
    assert f"[... {6 + 50_000_000 + 1 + 5 - 65536} bytes left out ...]" in outcome.stdout
    assert len(outcome.stdout) < 65536 + 50


async def test_output_on_one_stream_does_not_block_the_other(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero; echo end")
    assert outcome.stdout.endswith("end\n")


async def test_there_is_no_input_to_wait_for(context: ToolContext, processes: Find) -> None:
    assert (await run(context, "cat; echo done")).stdout == "done\n"


async def test_a_missing_program_is_an_os_error_and_leaves_no_descriptor(context: ToolContext) -> None:
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            await run_process(["/no/such/program"], cwd=context.workspace_dir, environ={}, timeout_s=1)
    await asyncio.sleep(0)
    assert open_descriptors() <= before + 1


async def test_the_time_limit_ends_the_whole_family(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, FAMILY, timeout_s=0.2)
    assert outcome.timed_out
    assert outcome.stdout == "ready\n"
    assert processes() == []


async def test_the_time_limit_kills_who_ignores_sigterm(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, f"({STUBBORN}) & {STUBBORN}", timeout_s=0.2)
    assert outcome.timed_out
    assert processes() == []


async def test_a_command_may_tidy_up_when_its_time_is_over(context: ToolContext, processes: Find) -> None:
    command = "trap 'echo tidy; exit 0' TERM; while :; do sleep 0.02; done"
    outcome = await run(context, command, timeout_s=0.2, limits=ProcessLimits())
    assert outcome.timed_out
    assert outcome.stdout == "tidy\n"


@pytest.mark.parametrize("command", [FAMILY, STUBBORN, f"({STUBBORN}) & {STUBBORN}"])
async def test_a_cancelled_call_leaves_no_process(context: ToolContext, processes: Find, command: str) -> None:
    task = await started(context, command)
    assert processes() != []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes() == []


async def test_a_second_cancellation_does_not_cut_the_tidying_short(context: ToolContext, processes: Find) -> None:
    task = await started(context, STUBBORN)
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes() == []


async def test_a_call_cancelled_at_its_start_leaves_no_process(context: ToolContext, processes: Find) -> None:
    for turns in range(12):
        task = asyncio.create_task(run(context, "sleep 60 & sleep 60"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert processes() == []


async def test_a_cancellation_while_only_a_grandchild_is_left_ends_it(context: ToolContext, processes: Find) -> None:
    printed = asyncio.Event()
    limits = ProcessLimits(cancel_grace_s=0.1, linger_s=30)
    task = asyncio.create_task(run(context, "sleep 60 & echo $$", limits=limits, on_output=printed.set))
    await printed.wait()
    await until(lambda: len(processes()) == 1)  # the shell has gone
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes() == []


async def test_a_background_process_is_not_waited_for_and_lives_on(context: ToolContext, processes: Find) -> None:
    begun = time.monotonic()
    outcome = await run(context, "sleep 60 & echo $!")
    assert time.monotonic() - begun < 5
    assert outcome.held_open
    pid = int(outcome.stdout)
    assert processes() == [pid]
    await kill(pid, processes)


async def test_a_background_process_can_print_after_the_command_ended(
    context: ToolContext, processes: Find, workspace: Path
) -> None:
    command = "(until [ -e go ]; do sleep 0.01; done; head -c 300000 /dev/zero && echo x && touch printed) &"
    outcome = await run(context, command)
    assert outcome.held_open
    (workspace / "go").touch()
    await until(lambda: (workspace / "printed").exists() and not processes())


async def test_a_background_process_with_its_own_output_holds_nothing(context: ToolContext, processes: Find) -> None:
    outcome = await run(context, "sleep 60 >/dev/null 2>&1 & echo $!")
    assert not outcome.held_open
    await kill(int(outcome.stdout), processes)


async def test_descriptors_and_threads_do_not_pile_up(context: ToolContext, processes: Find) -> None:
    await run(context, "true")
    before = open_descriptors()
    for _ in range(10):
        await run(context, "echo x")
    await asyncio.sleep(0)
    assert open_descriptors() <= before


async def _commands(context: ToolContext) -> None:
    for _ in range(3):
        await run(context, "echo x; echo y >&2")
    task = await started(context, "echo x; sleep 60")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_no_descriptor_is_closed_twice(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time it may belong to whoever opened something meanwhile, in another thread."""
    twice = []

    class Watched(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                try:
                    fcntl.fcntl(self, fcntl.F_GETFD)
                except OSError:
                    twice.append(self.fileno())
            super().close()

    monkeypatch.setattr("builtins.open", lambda fd, mode, _buffering: Watched(fd, mode))
    pytest.importorskip("uvloop").run(_commands(context))
    assert not twice
