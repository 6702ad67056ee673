"""A stage for one story about agents: a world, the real manager over it, and its runs."""

from __future__ import annotations

from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import Outcome
from copaw.app.workspace import Workspace
from copaw.testing.fake_agents import FakeWorld
from copaw.testing.fake_runs import Runs


class Stage:
    """One world, its manager and its runs.

    :param settings: of :class:`copaw.app.reloads.settings.SlotSettings`.
    """

    def __init__(self, *agents: str, **settings: float) -> None:
        self.world = FakeWorld()
        for agent_id in agents:
            self.world.configure(agent_id)
        self.manager: MultiAgentManager = self.world.manager(**settings)
        self.runs = Runs(self.world, self.manager, edit=self.edit)

    async def begin(self) -> None:
        """Start every agent."""
        for agent_id in self.world.configs:
            assert (await self.manager.start_agent(agent_id)).outcome is Outcome.SWAPPED

    def edit(self, agent_id: str, **values: object) -> None:
        """Change an agent's configuration: its value, and whatever else is named."""
        config = self.world.configs[agent_id]
        self.world.configure(agent_id, **{"value": config.value + 1, **values})

    async def reload(self, agent_id: str = "a", **values: object) -> Outcome:
        """Edit an agent, reload it and wait for the outcome."""
        self.edit(agent_id, **values)
        return (await self.manager.reload_agent(agent_id)).outcome

    def current(self, agent_id: str = "a") -> Workspace:
        """The generation that serves."""
        workspace = self.manager.slot(agent_id).current
        assert workspace is not None
        return workspace

    async def end(self) -> None:
        """Shut everything down. :raises AssertionError: a promise was broken, or something is left open."""
        await self.manager.stop_all(0.0)
        await self.world.pool.aclose()
        assert self.world.violations == []
        assert self.world.open_now == []
        assert not +self.world.pool_open
