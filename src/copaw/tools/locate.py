"""Where the path of an argument leads, and what to say when nothing is there."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

from copaw.errors import BadInput, NotFound
from copaw.ports import ToolContext

_NEAR_MATCHES = 5
_LISTED_NAMES = 2000


def resolve(context: ToolContext, raw: str) -> Path:
    """Absolute path of an argument: relative ones start at the workspace, ``~`` is the home directory.

    :raises BadInput: it cannot be a path.
    """
    if "\0" in raw:
        raise BadInput("A path must not contain a NUL character.")
    try:
        path = Path(raw).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{raw}: {error}") from error
    return Path(os.path.normpath(context.workspace_dir / path))


def shown(context: ToolContext, path: Path) -> str:
    """A path as the model should use it next: relative inside of the workspace, absolute elsewhere."""
    if path.is_relative_to(context.workspace_dir):
        path = path.relative_to(context.workspace_dir)
    return printable(str(path))


def printable(name: str) -> str:
    """A file name that is not UTF-8, in a form that can be sent."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def existing_file(context: ToolContext, raw: str) -> Path:
    """Path of a regular file.

    :raises NotFound: nothing is there; the message names what is near.
    :raises BadInput: it is a directory or a device.
    """
    path = resolve(context, raw)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no file {printable(str(path))}. {_nearby(path)}") from None
    if stat.S_ISDIR(mode):
        raise BadInput(f"{path} is a directory. `glob_search` lists what is in it.")
    if not stat.S_ISREG(mode):
        raise BadInput(f"{path} is not a regular file.")
    return path


def _nearby(path: Path) -> str:
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    if parent != path.parent:
        return f"The nearest directory that exists is {printable(str(parent))}."
    names = _some_names(parent)
    near = difflib.get_close_matches(path.name, names, n=_NEAR_MATCHES, cutoff=0.6)
    lowered = path.name.lower()
    near += [name for name in names if lowered and lowered in name.lower() and name not in near]
    if not near:
        return f"Nothing in {printable(str(parent))} has a similar name."
    return "Did you mean: " + ", ".join(printable(name) for name in near[:_NEAR_MATCHES]) + "?"


def _some_names(directory: Path) -> list[str]:
    names = []
    with os.scandir(directory) as entries:
        for entry, _ in zip(entries, range(_LISTED_NAMES), strict=False):
            names.append(entry.name)
    return sorted(names)
