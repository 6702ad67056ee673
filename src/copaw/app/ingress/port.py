"""The port through which an agent's slot moves its ingress."""

from __future__ import annotations

from typing import Protocol

from copaw.config.snapshot import AgentSnapshot


class Ingress(Protocol):
    """What brings work to an agent from outside: channels, timers, watchers. It belongs to the agent.

    It outlives generations: what it brings goes to whichever generation serves at that moment.
    """

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        """Make what is connected match ``snapshot``; ``None`` disconnects everything.

        Whatever did not change is not touched. A part that fails is reported by itself and does not stop the others.
        """

    def refuse_new(self) -> None:
        """Bring no more work; what was brought goes on, and its answers still leave. At the begin of a shutdown."""

    async def aclose(self) -> None:
        """Disconnect everything, for good. Nothing runs any more by then."""


class NoIngress:
    """For an agent that nothing reaches from outside."""

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        return None

    def refuse_new(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
