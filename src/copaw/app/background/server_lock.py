"""One server for one working directory."""

from __future__ import annotations

import uuid
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from copaw.aiokits.files import write_atomic
from copaw.errors import Unavailable

LOCK_NAME = "copaw.lock"
INSTANCE_NAME = "copaw.instance"


class WorkingDirInUse(Unavailable):
    """Another copaw server uses this working directory."""

    code = "WORKING_DIR_IN_USE"


def lock_working_dir(directory: Path) -> BaseFileLock:
    """Take the directory for this process. The system gives it back when the process ends, however it ends. Blocks.

    :returns: the lock; release it at the end.
    :raises WorkingDirInUse: another server has it.
    """
    lock = FileLock(directory / LOCK_NAME, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkingDirInUse(
            f"Another copaw server is using {directory}. End it first, or give this one a working directory of its "
            "own with COPAW_WORKING_DIR."
        ) from None
    return lock


def instance_id(directory: Path) -> str:
    """What names this working directory among those that share a database. Made on first use. Blocks."""
    path = directory / INSTANCE_NAME
    try:
        known = path.read_text("utf-8").strip()
    except FileNotFoundError:
        known = ""
    if not known:
        known = uuid.uuid4().hex
        write_atomic(path, known)
    return known
