"""``glob_search``: find files by name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from pydantic import Field

from copaw.errors import BadInput, NotFound
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread
from copaw.tools.locate import resolve, shown
from copaw.tools.walk import SKIPPED_DIRS, glob_regex, walk

LIMIT_PATHS = 500
TIME_LIMIT_S = 20.0
_MAGIC = re.compile(r"[*?\[{]")


class GlobArguments(Arguments):
    pattern: str = Field(
        min_length=1, max_length=1000, description="Such as `*.py`, `**/*.md` or `src/**/test_*.{js,ts}`."
    )
    path: str | None = Field(None, description="Directory to start in. Default: the workspace directory.")


async def run(context: ToolContext, arguments: GlobArguments) -> ToolResult:
    """Sorted paths, at most :data:`LIMIT_PATHS`, within :data:`TIME_LIMIT_S`."""
    return ToolResult.text(await in_thread(lambda stop: _search(context, arguments, stop)))


def _search(context: ToolContext, arguments: GlobArguments, stop: threading.Event) -> str:
    base = resolve(context, arguments.path or ".")
    if not base.is_dir():
        raise NotFound(f"path: {base} is not a directory.")
    root, pattern = _split(context, base, arguments.pattern)
    deadline = time.monotonic() + TIME_LIMIT_S
    matches = _matches(root, pattern, lambda: not stop.is_set() and time.monotonic() < deadline)
    found = sorted(islice(matches, LIMIT_PATHS + 1))
    lines = [shown(context, root / name) + ("/" if is_dir else "") for name, is_dir in found[:LIMIT_PATHS]]
    if len(found) > LIMIT_PATHS:
        lines.append(f"[Only the first {LIMIT_PATHS} are listed. Use a narrower pattern or a path.]")
    if time.monotonic() >= deadline:
        lines.append(f"[Ended after {TIME_LIMIT_S:g} s before everything was looked at. Give a path to start in.]")
    return "\n".join(lines) or _nothing(arguments.pattern, base)


def _split(context: ToolContext, base: Path, pattern: str) -> tuple[Path, str]:
    """The directory that the fixed beginning of a pattern leads to, and the rest."""
    parts = pattern.replace("\\", "/").split("/")
    fixed = next((index for index, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    beginning, rest = "/".join(parts[:fixed]), "/".join(parts[fixed:])
    if fixed and not beginning:
        beginning = "/"
    return (resolve(context, str(base / Path(beginning).expanduser())) if beginning else base), rest


def _matches(root: Path, pattern: str, go_on: Callable[[], bool]) -> Iterator[tuple[str, bool]]:
    try:
        expression = re.compile(glob_regex(pattern))
    except re.error as error:
        raise BadInput(f"pattern: {pattern} is not a valid glob pattern ({error}).", field="pattern") from error
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    depth = None if "**" in parts else len(parts)
    paths = walk(str(root), skip=SKIPPED_DIRS - set(parts), depth=depth, go_on=go_on)
    return ((path, is_dir) for path, is_dir in paths if expression.match(path))


def _nothing(pattern: str, base: Path) -> str:
    hint = "" if "**" in pattern else " `*` does not look into subdirectories; `**/` does."
    return f"Nothing below {base} matches {pattern}.{hint}"


TOOL = define(
    "glob_search",
    "Find files and directories by a name pattern. `**` spans directories. Version control, node_modules and the "
    "like are left out unless the pattern names them.",
    GlobArguments,
    run,
    icon="📁",
)
