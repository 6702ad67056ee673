"""One server for one workspace directory, also when two homes name the same one.

The lock of a home keeps a second server out of it. This one is for a directory that homes share: two servers would both
run its jobs, and write over each other's chats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from copaw.aiokits.pool import Pool
from copaw.errors import Unavailable

logger = logging.getLogger(__name__)

LOCK_NAME = "workspace.lock"


class WorkspaceInUse(Unavailable):
    """Another copaw server uses this workspace directory."""

    code = "WORKSPACE_IN_USE"


class WorkspaceLocks:
    """The workspace directories that this server uses, each locked from its first generation to its last."""

    def __init__(self) -> None:
        self._pool: Pool[Path, None] = Pool("workspaces")

    def held(self, root: Path) -> AbstractAsyncContextManager[None]:
        """Hold a directory for one generation.

        :raises WorkspaceInUse: another server has it.
        """
        return self._pool.using(root, partial(_locked, root))

    async def aclose(self) -> None:
        """Give back what is still held."""
        await self._pool.aclose()


@asynccontextmanager
async def _locked(root: Path) -> AsyncIterator[None]:
    lock = await asyncio.to_thread(_take, root)
    try:
        yield
    finally:
        await asyncio.to_thread(lock.release)


def _take(root: Path) -> BaseFileLock:
    lock = FileLock(root / LOCK_NAME, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkspaceInUse(
            f"Another copaw server is using {root}. End it first, or give this agent a workspace directory of its own."
        ) from None
    except OSError as error:
        # Such a directory has worse problems, which whoever needs to write there tells of.
        logger.warning("workspace %s cannot be locked: %s", root, error.strerror)
    return lock
