"""``execute_shell_command``: run a command in the agent's workspace."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from copaw.errors import BadInput
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.locate import resolve
from copaw.tools.process import ProcessOutcome, run_process

KEPT_BACK = frozenset({"COPAW_AUTH_PASSWORD"})
"""Variables of the server that no command sees. The command line does without: it has the local token."""


class ShellArguments(Arguments):
    command: str = Field(min_length=1, description="The command line, as you would type it into a shell.")
    timeout: int = Field(60, ge=1, le=3600, description="Seconds after which the command is ended.")
    cwd: str | None = Field(None, description="Directory to run in. Default: the workspace directory.")


async def run(context: ToolContext, arguments: ShellArguments) -> ToolResult:
    """Run the command; a cancelled call ends it with everything it started before it returns."""
    if "\0" in arguments.command:
        raise BadInput("command: must not contain a NUL character.", field="command")
    shell, cwd, variables = await asyncio.to_thread(_prepare, context, arguments.cwd)
    outcome = await run_process(
        [shell, "-c", arguments.command],
        cwd=cwd,
        environ={**_inherited(), **variables, **context.environ},
        timeout_s=arguments.timeout,
        on_output=context.progress,
    )
    failed = outcome.timed_out or outcome.returncode != 0
    return ToolResult.text(render(outcome, arguments.timeout), is_error=failed)


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in KEPT_BACK}


def render(outcome: ProcessOutcome, timeout_s: int) -> str:
    """The outcome as text for a model."""
    parts = []
    if outcome.stdout:
        parts.append(outcome.stdout.removesuffix("\n"))
    if outcome.stderr:
        parts.append(f"[stderr]\n{outcome.stderr.removesuffix(chr(10))}")
    if outcome.timed_out:
        parts.append(
            f"[timed out after {timeout_s} s: the command and everything it started were ended; "
            "what is above is what it had printed. Ask for more time with `timeout`.]"
        )
    elif outcome.returncode != 0:
        parts.append(f"[{_ending(outcome.returncode)}]")
    if outcome.held_open and not outcome.timed_out:
        parts.append(
            "[A background process goes on. What it prints from here on is lost; "
            "next time redirect it: `command >file.log 2>&1 &`.]"
        )
    return "\n".join(parts) or "[exit code 0, no output]"


def _ending(returncode: int | None) -> str:
    if returncode is None or returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = "unknown"
    return f"ended by signal {-returncode} ({name})"


def _prepare(context: ToolContext, cwd: str | None) -> tuple[str, Path, Mapping[str, str]]:
    directory = resolve(context, cwd) if cwd else context.workspace_dir
    if not directory.is_dir():
        raise BadInput(f"cwd: {directory} is not a directory.", field="cwd")
    return shutil.which("bash") or "/bin/sh", directory, context.variables()


TOOL = define(
    "execute_shell_command",
    "Run a shell command in the workspace and return what it prints and its exit code. There is no input and no "
    "terminal: use flags that need no answer. Long output is cut in the middle. Start a server or another "
    "long-lived process in the background with its output redirected: `command >file.log 2>&1 &`.",
    ShellArguments,
    run,
    icon="💻",
)
