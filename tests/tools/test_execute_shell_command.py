from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from copaw.ports import ToolContext, ToolResult
from copaw.tools.execute_shell_command import TOOL, render
from copaw.tools.process import ProcessOutcome

Call = Callable[..., Awaitable[ToolResult]]
Find = Callable[[], list[int]]
NAME = "execute_shell_command"


def text(result: ToolResult) -> str:
    return str(result.content[0]["text"])


async def test_it_runs_in_the_workspace_with_the_environment_of_the_run(context: ToolContext, workspace: Path) -> None:
    context = dataclasses.replace(context, environ={"GREETING": "hi there"})
    result = await TOOL(context, {"command": "pwd; echo $GREETING"})
    assert result == ToolResult.text(f"{workspace}\nhi there")


async def test_success_without_output_says_so(call: Call) -> None:
    assert await call(NAME, command="true") == ToolResult.text("[exit code 0, no output]")


async def test_a_failing_command_is_an_error_with_its_exit_code(call: Call) -> None:
    result = await call(NAME, command="echo partly; echo why >&2; exit 7")
    assert result == ToolResult.text("partly\n[stderr]\nwhy\n[exit code 7]", is_error=True)


async def test_a_signal_is_named(call: Call) -> None:
    assert text(await call(NAME, command="kill -9 $$")) == "[ended by signal 9 (SIGKILL)]"


async def test_bytes_that_are_not_utf8_are_replaced(call: Call) -> None:
    assert text(await call(NAME, command=r"printf 'a\377b\n'")) == "a\ufffdb"


async def test_one_huge_line_is_cut_in_the_middle(call: Call) -> None:
    shown = text(await call(NAME, command="head -c 1000000 /dev/zero | tr '\\0' y"))
    assert f"[... {1_000_000 - 65536} bytes left out ...]" in shown
    assert len(shown) < 66_000


async def test_cwd_may_be_relative_to_the_workspace(call: Call, workspace: Path) -> None:
    (workspace / "sub").mkdir()
    assert text(await call(NAME, command="pwd", cwd="sub")) == str(workspace / "sub")


async def test_a_missing_cwd_is_named(call: Call, workspace: Path) -> None:
    result = await call(NAME, command="pwd", cwd="nowhere")
    assert result == ToolResult.text(f"cwd: {workspace / 'nowhere'} is not a directory.", is_error=True)


@pytest.mark.parametrize("timeout", [0, 3601, "soon", 1.5])
async def test_a_time_limit_out_of_range_is_named(call: Call, timeout: object) -> None:
    result = await call(NAME, command="true", timeout=timeout)
    assert result.is_error
    assert "- timeout: " in text(result)


async def test_a_time_limit_may_be_a_string_of_digits_or_null(call: Call) -> None:
    assert not (await call(NAME, command="true", timeout="5")).is_error
    assert not (await call(NAME, command="true", timeout=None)).is_error


async def test_a_nul_character_is_refused(call: Call) -> None:
    assert text(await call(NAME, command="echo a\0b")).startswith("command: ")


async def test_a_time_out_shows_what_was_printed_and_leaves_nothing(call: Call, processes: Find) -> None:
    result = await call(NAME, command="echo begun; sleep 60 & sleep 60", timeout=1)
    assert result.is_error
    assert text(result).startswith("begun\n[timed out after 1 s: ")
    assert processes() == []


async def test_progress_is_told_for_output_and_a_cancel_leaves_nothing(context: ToolContext, processes: Find) -> None:
    printed = asyncio.Event()
    context = dataclasses.replace(context, progress=printed.set)
    task = asyncio.create_task(
        TOOL(context, {"command": "trap '' TERM; echo x; (sleep 60; true) & sleep 60; sleep 60"})
    )
    await asyncio.wait_for(printed.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert processes() == []


async def test_calls_run_at_the_same_time(call: Call, workspace: Path) -> None:
    # Each waits for what the other makes: one after the other they would never end.
    first = "touch a; until [ -e b ]; do sleep 0.01; done"
    second = "touch b; until [ -e a ]; do sleep 0.01; done"
    results = await asyncio.gather(call(NAME, command=first, timeout=10), call(NAME, command=second, timeout=10))
    assert not any(result.is_error for result in results)


def test_a_background_process_is_mentioned() -> None:
    outcome = ProcessOutcome(0, "started\n", "", timed_out=False, held_open=True)
    assert render(outcome, 60).startswith("started\n[A background process goes on.")


def test_an_unnamed_signal_is_given_by_number() -> None:
    assert render(ProcessOutcome(-77, "", "", timed_out=False, held_open=False), 60) == "[ended by signal 77 (unknown)]"


async def test_the_password_of_the_server_is_not_in_its_environment(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPAW_AUTH_PASSWORD", "not for commands")
    monkeypatch.setenv("COPAW_AUTH_USERNAME", "me")
    printed = text(await call(NAME, command="env"))
    assert "COPAW_AUTH_USERNAME=me" in printed
    assert "not for commands" not in printed
