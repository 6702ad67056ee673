"""Files that crashes and repairs leave behind; nobody reads them any more."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from copaw.cli.removal import Item
from copaw.paths import Paths

HALF_WRITTEN_AFTER_S = 3600.0
ABANDONED_AFTER_S = 24 * 3600.0
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_SET_ASIDE = re.compile(r".+\.(damaged|replaced)-\d{8}T\d{6}\.\d+Z(-\d+)?")
_TEMPORARY_HOMES = ("copaw-task-*", "copaw-drill-*")


def find(paths: Paths, *, now: float | None = None) -> list[Item]:
    """Everything that ``copaw clean --leftovers`` removes.

    :param now: seconds since the epoch; the present if omitted.
    """
    at = time.time() if now is None else now
    found: list[Item] = []
    for directory in directories(paths):
        found += _below(directory, at)
    found += [*_abandoned(paths, at), *_temporary_homes(at)]
    return sorted({item.path: item for item in found}.values(), key=lambda item: item.path)


def directories(paths: Paths) -> list[Path]:
    """The working directory, the secrets, and workspaces elsewhere."""
    return [paths.working_dir, paths.secret_dir, *outside_workspaces(paths).values()]


def outside_workspaces(paths: Paths) -> dict[str, Path]:
    """Agents whose workspace is not below the working directory. A file that cannot be read names none."""
    try:
        profiles = json.loads(paths.config_file.read_text("utf-8"))["agents"]["profiles"]
        placed = {str(agent): paths.workspace(agent, ref["workspace_dir"]) for agent, ref in profiles.items()}
        inside = paths.working_dir.resolve()
        return {agent: path for agent, path in placed.items() if not path.resolve().is_relative_to(inside)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _below(directory: Path, now: float) -> Iterator[Item]:
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root) / name
            if _SET_ASIDE.fullmatch(name):
                yield Item(path, "could not be read and was set aside" if ".damaged-" in name else "was replaced")
            elif _TEMPORARY.fullmatch(name) and _older_than(path, now - HALF_WRITTEN_AFTER_S):
                yield Item(path, "half written")


def _abandoned(paths: Paths, now: float) -> Iterator[Item]:
    for pattern in (".upload-*", "custom_channels/.installing-*"):
        for path in paths.working_dir.glob(pattern):
            if path.is_dir() and not path.is_symlink() and _older_than(path, now - ABANDONED_AFTER_S):
                yield Item(path, "was being unpacked or copied")


def _temporary_homes(now: float) -> Iterator[Item]:
    for pattern in _TEMPORARY_HOMES:
        for path in Path(tempfile.gettempdir()).glob(pattern):
            if path.is_dir() and not path.is_symlink() and _mine(path) and _older_than(path, now - ABANDONED_AFTER_S):
                yield Item(path, "home of a run that was killed")


def _mine(path: Path) -> bool:
    return path.lstat().st_uid == os.getuid()


def _older_than(path: Path, moment: float) -> bool:
    try:
        return path.lstat().st_mtime < moment
    except FileNotFoundError:
        return False
