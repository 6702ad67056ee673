"""``grep_search``: find text in files."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from pydantic import Field

import copaw
from copaw.errors import BadInput, NotFound
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.grep_engine import BAD_PATTERN, Request
from copaw.tools.locate import resolve, shown
from copaw.tools.process import ProcessLimits, run_process

TIME_LIMIT_S = 20.0
"""After this the engine ends by itself at the next line."""

KILL_AFTER_S = 5.0
"""How much longer one match may take before the engine is killed."""

_LIMITS = ProcessLimits(output_bytes=256 * 1024, timeout_grace_s=0.1, cancel_grace_s=0.1)
_ENGINE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from copaw.tools.grep_engine import main; sys.exit(main(sys.argv[2]))"
)


class GrepArguments(Arguments):
    pattern: str = Field(min_length=1, max_length=10_000, description="The text to find, within one line.")
    path: str | None = Field(None, description="Directory or file to search. Default: the workspace directory.")
    is_regex: bool = Field(False, description="The pattern is a Python regular expression.")
    case_sensitive: bool = Field(True, description="Whether case matters.")
    context_lines: int = Field(0, ge=0, le=20, description="Lines to show before and after each match.")
    include_pattern: str | None = Field(None, description="Only files whose name matches this glob, such as `*.py`.")


async def run(context: ToolContext, arguments: GrepArguments) -> ToolResult:
    """Search in a child process that can be killed; see :mod:`copaw.tools.grep_engine` for the bounds."""
    request = await asyncio.to_thread(_request, context, arguments)
    return await search(request, context, kill_after_s=TIME_LIMIT_S + KILL_AFTER_S)


async def search(request: Request, context: ToolContext, *, kill_after_s: float) -> ToolResult:
    """Run the engine. A search that had to be killed is an error which still shows what was found."""
    packages = Path(copaw.__file__).parent.parent
    outcome = await run_process(
        # Isolated and without site-packages: it starts in a few hundredths of a second.
        [sys.executable, "-I", "-S", "-c", _ENGINE, str(packages), json.dumps(request._asdict())],
        cwd=context.workspace_dir,
        environ=os.environ,
        timeout_s=kill_after_s,
        limits=_LIMITS,
        on_output=context.progress,
    )
    if outcome.timed_out:
        notice = (
            f"[The search was ended after {kill_after_s:g} s: the pattern takes too long on some line. "
            "Avoid nested repetition such as (a+)+, or search for plain text.]"
        )
        return ToolResult.text(outcome.stdout + notice, is_error=True)
    if outcome.returncode == BAD_PATTERN:
        raise BadInput(f"pattern: is not a valid regular expression: {outcome.stderr}.", field="pattern")
    if outcome.returncode != 0:
        return ToolResult.text(f"{outcome.stdout}The search failed.\n{outcome.stderr}", is_error=True)
    return ToolResult.text(outcome.stdout.rstrip("\n"))


def _request(context: ToolContext, arguments: GrepArguments) -> Request:
    root = resolve(context, arguments.path or ".")
    if not root.exists():
        raise NotFound(f"path: {root} does not exist.")
    return Request(
        root=str(root),
        prefix="" if root == context.workspace_dir else shown(context, root),
        pattern=arguments.pattern,
        is_regex=arguments.is_regex,
        case_sensitive=arguments.case_sensitive,
        context_lines=arguments.context_lines,
        include=arguments.include_pattern or "",
        time_limit_s=TIME_LIMIT_S,
    )


TOOL = define(
    "grep_search",
    "Find lines that contain a text or match a regular expression, in one file or a directory tree. Prints "
    "`path:line:text`. Binary files, very large files, version control, node_modules and the like are left out.",
    GrepArguments,
    run,
    icon="🔍",
)
