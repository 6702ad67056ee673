"""Several kinds of ingress as one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence

from copaw.app.ingress.port import Ingress
from copaw.config.snapshot import AgentSnapshot

logger = logging.getLogger(__name__)


class CompositeIngress:
    """Implements :class:`copaw.app.ingress.port.Ingress`; one part's fault is reported and stays its own.

    :param parts: followed in this order, closed in the reverse one.
    """

    def __init__(self, agent_id: str, parts: Sequence[Ingress]) -> None:
        self._agent_id = agent_id
        self._parts = tuple(parts)

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        for part in self._parts:
            await self._supervised(part, part.apply(snapshot))

    def refuse_new(self) -> None:
        for part in self._parts:
            part.refuse_new()

    async def aclose(self) -> None:
        for part in reversed(self._parts):
            await self._supervised(part, part.aclose())

    async def _supervised(self, part: Ingress, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:  # supervisor of one part: the others go on
            logger.exception("agent %s: %s could not follow", self._agent_id, type(part).__name__)
