"""Walking a directory tree and matching names: standard library only, so that a bare child process can use it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

SKIPPED_DIRS = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"})
"""Directories that a search does not look into unless it is pointed at them."""


def walk(
    root: str, *, skip: frozenset[str] = SKIPPED_DIRS, depth: int | None = None, go_on: Callable[[], bool]
) -> Iterator[tuple[str, bool]]:
    """Paths below ``root`` in a stable order, relative to it, each with whether it is a directory.

    Links to directories are named but not followed; what cannot be read is passed over.

    :param depth: how many levels to go down; None for all.
    :param go_on: asked at every directory; False ends the walk.
    """
    pending = [("", 1)]
    while pending and go_on():
        relative, level = pending.pop()
        deeper = []
        for name, is_dir in _entries(f"{root}/{relative}"):
            path = f"{relative}/{name}" if relative else name
            if is_dir and name in skip:
                continue
            yield path, is_dir
            if is_dir and (depth is None or level < depth):
                deeper.append((path, level + 1))
        pending.extend(reversed(deeper))


def _entries(directory: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []


def glob_regex(pattern: str) -> str:
    """Regular expression for a whole relative path.

    ``*`` and ``?`` stay inside of one name, ``**`` spans any number of directories, ``[abc]``, ``[!abc]`` and
    ``{one,two}`` choose.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    expression = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            expression += ".+" if last else "(?:[^/]+/)*"
        else:
            expression += _name_regex(part) + ("" if last else "/")
    return f"(?s:{expression})\\Z"


def _name_regex(part: str) -> str:
    expression = ""
    at = 0
    while at < len(part):
        piece, length = _token(part, at)
        expression += piece
        at += length
    return expression


def _token(part: str, at: int) -> tuple[str, int]:
    character = part[at]
    if character == "*":
        run = len(part) - at - len(part[at:].lstrip("*"))
        return "[^/]*", run
    if character == "?":
        return "[^/]", 1
    if character == "[" and (end := part.find("]", at + 2)) > 0:
        inside = part[at + 1 : end]
        negated = inside[0] in "!^"
        escaped = re.sub(r"([\\\[\]^&~|]|--)", _escaped, inside[1:] if negated else inside)
        return f"[{'^/' if negated else ''}{escaped}]", end + 1 - at
    if character == "{" and (end := part.find("}", at)) > 0:
        choices = "|".join(_name_regex(choice) for choice in part[at + 1 : end].split(","))
        return f"(?:{choices})", end + 1 - at
    return re.escape(character), 1


def _escaped(found: re.Match[str]) -> str:
    return "".join("\\" + character for character in found[0])
