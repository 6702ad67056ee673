"""From an agent's id to its slot: the one place through which everybody reaches an agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from copaw.aiokits.lease import NO_LABELS, Lease
from copaw.app.agent_slot import AgentSlot
from copaw.app.ingress.port import Ingress, NoIngress
from copaw.app.reloads.observer import LifecycleObserver
from copaw.app.reloads.outcome import Outcome, ReloadOutcome
from copaw.app.reloads.settings import Changed, ReadSnapshot, SlotSettings
from copaw.app.runner.task_tracker import TaskTracker
from copaw.app.workspace import Workspace
from copaw.app.workspace.workspace import OpenResources
from copaw.errors import AgentNotFound, EndReason, ServerClosing

logger = logging.getLogger(__name__)


class MultiAgentManager:
    """All agents of this process.

    :param read_snapshot: reads and validates one agent's configuration.
    :param open_resources: opens what a generation needs; see :data:`copaw.app.workspace.workspace.OpenResources`.
    :param changed_fields: names what differs between two snapshots.
    :param make_ingress: makes the ingress of an agent; called once an agent, not once a generation.
    """

    def __init__(
        self,
        *,
        read_snapshot: ReadSnapshot,
        open_resources: OpenResources,
        changed_fields: Changed = lambda _old, _new: [],
        settings: SlotSettings | None = None,
        make_ingress: Callable[[str], Ingress] = lambda _agent_id: NoIngress(),
        observer: LifecycleObserver | None = None,
    ) -> None:
        self._read_snapshot = read_snapshot
        self._open_resources = open_resources
        self._changed_fields = changed_fields
        self._settings = settings or SlotSettings()
        self._make_ingress = make_ingress
        self._observer = observer
        self._slots: dict[str, AgentSlot] = {}
        self.closing = False

    # -- agents --------------------------------------------------------------------------------------------------

    def start_agent(self, agent_id: str, *, later: bool = False) -> asyncio.Future[ReloadOutcome]:
        """Start an agent, or bring one back that was stopped. The future answers the outcome.

        :param later: see :meth:`AgentSlot.request`.
        """
        if self.closing:
            raise ServerClosing
        if agent_id not in self._slots:
            self._slots[agent_id] = AgentSlot(
                agent_id,
                read_snapshot=self._read_snapshot,
                open_resources=self._open_resources,
                changed_fields=self._changed_fields,
                tracker=TaskTracker(agent_id),
                settings=self._settings,
                ingress=self._make_ingress(agent_id),
                observer=self._observer,
            )
        return self._slots[agent_id].request(later=later)

    def knows(self, agent_id: str) -> bool:
        """Whether this agent was started once."""
        return agent_id in self._slots

    def slot(self, agent_id: str) -> AgentSlot:
        """The slot of an agent that was started once.

        :raises AgentNotFound: there is none.
        """
        try:
            return self._slots[agent_id]
        except KeyError:
            raise AgentNotFound(agent_id) from None

    def slots(self) -> Iterable[AgentSlot]:
        return tuple(self._slots.values())

    # -- leases --------------------------------------------------------------------------------------------------

    def acquire(
        self,
        agent_id: str,
        kind: str,
        key: str = "",
        labels: Mapping[str, str] = NO_LABELS,
        parent: Lease | None = None,
    ) -> tuple[Workspace, Lease]:
        """Lease an agent's current workspace: looked up, checked and held in one step without an await.

        :raises AgentNotFound, AgentDisabled, AgentNotServing, ServerClosing: why there is none to lease.
        """
        if self.closing:
            raise ServerClosing
        slot = self._slots.get(agent_id)
        if slot is None:
            raise AgentNotFound(agent_id)
        return slot.acquire(kind, key, labels, parent)

    async def get_agent(self, agent_id: str) -> AgentSlot:
        """The agent's slot, once its first generation serves or it is known why it does not.

        :raises AgentNotFound: there is no such agent.
        """
        slot = self.slot(agent_id)
        await slot.wait_started()
        return slot

    # -- changes -------------------------------------------------------------------------------------------------

    def request_reload(self, agent_id: str) -> asyncio.Future[ReloadOutcome]:
        """Mark an agent as changed. Returns at once; the future answers the outcome to whoever wants it."""
        slot = self.slot(agent_id)
        if self.closing:
            raise ServerClosing
        return slot.request()

    async def reload_agent(self, agent_id: str) -> ReloadOutcome:
        """Reload an agent and wait for the outcome. It never waits for anybody's lease."""
        return await asyncio.shield(self.request_reload(agent_id))

    async def stop_agent(self, agent_id: str, reason: EndReason, *, wait_closed: bool = False) -> None:
        """Stop an agent: no new work from here on, work under way is ended because of ``reason``."""
        slot = self._slots.get(agent_id)
        if slot is None:
            return
        leaving = slot.generations()
        outcome = await slot.request(reason)
        assert outcome.outcome is Outcome.STOPPED
        if wait_closed:
            for workspace in leaving:
                await workspace.wait_closed()

    async def stop_all(self, grace_s: float, reason: EndReason = EndReason.SERVER_SHUTDOWN) -> None:
        """Refuse new work, drain every generation of every agent for at most ``grace_s`` seconds, end the rest."""
        self.closing = True
        slots = list(self._slots.values())
        await asyncio.gather(*(slot.aclose(reason, grace_s) for slot in slots))
