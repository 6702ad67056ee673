"""The replaced generations of one agent that still have work."""

from __future__ import annotations

import asyncio
import logging

from copaw.aiokits.events import wait_any
from copaw.app.reloads.observer import LifecycleObserver
from copaw.app.workspace import Workspace
from copaw.errors import EndReason

logger = logging.getLogger(__name__)


class Drains(dict[int, Workspace]):
    """Generations by number, oldest first, each until it is closed.

    :param observer: told of every generation that closed.
    """

    def __init__(self, agent_id: str, observer: LifecycleObserver) -> None:
        super().__init__()
        self._agent_id = agent_id
        self._observer = observer
        self._one_closed = asyncio.Event()

    def retire(self, workspace: Workspace, grace_s: float | None) -> None:
        """Let a generation drain, for at most ``grace_s`` seconds."""
        self[workspace.generation] = workspace
        workspace.retire(grace_s)
        workspace.on_closed(self._closed)

    def _closed(self, workspace: Workspace) -> None:
        self.pop(workspace.generation, None)
        self._one_closed.set()
        self._observer.closed(workspace)
        logger.info("agent %s: generation %d closed", self._agent_id, workspace.generation)

    def expire(self, generation: int, reason: EndReason = EndReason.RELOAD_GRACE_EXPIRED) -> bool:
        """End the drain of one generation now. ``False`` if it does not drain."""
        workspace = self.get(generation)
        if workspace is not None:
            workspace.expire(reason)
        return workspace is not None

    def expire_all(self, reason: EndReason) -> None:
        """End every drain now."""
        for workspace in self.values():
            workspace.expire(reason)

    async def wait_fewer(self, other: asyncio.Event) -> None:
        """Wait until one more has closed, or ``other`` is set."""
        self._one_closed.clear()
        await wait_any(self._one_closed, other)

    async def drain(self, grace_s: float, reason: EndReason) -> None:
        """Wait until all are closed; what is left after ``grace_s`` seconds is ended because of ``reason``."""
        left = list(self.values())
        if left and grace_s > 0:
            waits = [asyncio.ensure_future(workspace.wait_closed()) for workspace in left]
            await asyncio.wait(waits, timeout=grace_s)
            for wait in waits:
                wait.cancel()
        for workspace in left:
            workspace.expire(reason)
        for workspace in left:
            await workspace.wait_closed()
