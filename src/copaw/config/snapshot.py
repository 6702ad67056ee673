"""What one generation of an agent is made from."""

from __future__ import annotations

from dataclasses import dataclass

from copaw.config.models import AgentProfileConfig, ModelSlotConfig
from copaw.paths import WorkspacePaths


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    """An agent's configuration at one revision. Nobody changes it; a change makes another one.

    :param revision: the store's revision it was read at.
    :param clients: what names its MCP clients, with their variables filled in.
    :param digest: of everything a generation is built from; run-time state is not part of it.
    :param model: the model slot already resolved (the agent's own, else the global one, else the demo model).
    :param other_models: those that answer when it cannot, in this order.
    """

    agent_id: str
    revision: int
    files: WorkspacePaths
    profile: AgentProfileConfig
    model: ModelSlotConfig
    digest: str
    clients: tuple[str, ...] = ()
    other_models: tuple[ModelSlotConfig, ...] = ()

    @property
    def models(self) -> tuple[ModelSlotConfig, ...]:
        """Every model it uses, the preferred one first."""
        return (self.model, *self.other_models)

    @property
    def reload_grace_s(self) -> float | None:
        """Seconds a retired generation waits for its leases; ``None`` waits without limit."""
        return self.profile.running.reload_grace_seconds
