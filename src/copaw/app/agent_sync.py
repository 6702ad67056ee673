"""Bringing the running agents in line with ``config.json``."""

from __future__ import annotations

import logging

from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.config.store import ConfigStore
from copaw.errors import CopawError, EndReason

logger = logging.getLogger(__name__)


class AgentSync:
    """Starts, stops and reloads agents after an edit of ``config.json``. Every call may be repeated."""

    def __init__(self, config: ConfigStore, manager: MultiAgentManager) -> None:
        self._config = config
        self._manager = manager

    def sync_all(self) -> None:
        """Start what is enabled, stop what is disabled or gone. An agent that did not change is left alone."""
        wanted = set(self._config.agent_ids())
        for agent_id in wanted:
            self.sync(agent_id)
        for slot in self._manager.slots():
            if slot.agent_id not in wanted:
                slot.request(EndReason.AGENT_DELETED)

    def sync(self, agent_id: str) -> None:
        """As :meth:`sync_all`, for one agent."""
        try:
            if self._config.ref(agent_id).enabled:
                self._manager.start_agent(agent_id)
            elif self._manager.knows(agent_id):
                self._manager.slot(agent_id).request(EndReason.AGENT_DISABLED)
        except CopawError as error:
            logger.info("agent %s was not synchronised: %s", agent_id, error.message)
