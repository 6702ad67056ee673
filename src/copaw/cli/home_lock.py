"""Holding the working directory while a command changes its files, so that no server works in it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from copaw.errors import Conflict
from copaw.paths import Paths

SILENT = "It does not answer where it was last; name its address with --host and --port."


class ServerRuns(Conflict):
    """A server uses the working directory."""

    code = "SERVER_RUNS"


@contextmanager
def exclusive(paths: Paths, *, otherwise: str = "End it first with `copaw shutdown`.") -> Iterator[None]:
    """No server starts in the working directory during the block. One that is not there cannot be held.

    :param otherwise: what to do about a server that runs.
    :raises ServerRuns: one does.
    """
    if not paths.working_dir.is_dir():
        yield
        return
    from copaw.app.background.server_lock import WorkingDirInUse, lock_working_dir

    try:
        lock = lock_working_dir(paths.working_dir)
    except WorkingDirInUse:
        raise ServerRuns(f"A copaw server is using {paths.working_dir}. {otherwise}") from None
    try:
        yield
    finally:
        lock.release()


def check_nobody_runs(paths: Paths) -> None:
    """For a command that changes files because no server answered.

    :raises ServerRuns: one is there all the same.
    """
    with exclusive(paths, otherwise=SILENT):
        return


def server_runs(paths: Paths) -> bool:
    """Whether a server uses the working directory now."""
    try:
        with exclusive(paths):
            return False
    except ServerRuns:
        return True
