"""Who may start next: in order within a session, in turn between sessions, never more than an agent's limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Agent(Generic[T]):
    """:param waiting: by session, in the order in which sessions have their turn."""

    waiting: dict[str, deque[T]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)


class FairQueue(Generic[T]):
    """Items waiting for their turn, by agent and session.

    A session has at most one item started, because its next one could only wait for it; so one session with many
    items never takes the places of the others.

    :param limit_of: how many items of an agent may be started at a time.
    """

    def __init__(self, limit_of: Callable[[str], int]) -> None:
        self._limit_of = limit_of
        self._agents: dict[str, _Agent[T]] = {}

    def put(self, agent_id: str, session: str, item: T) -> None:
        """Queue an item behind those of its session."""
        agent = self._agents.setdefault(agent_id, _Agent())
        agent.waiting.setdefault(session, deque()).append(item)

    def take(self, agent_id: str) -> Iterator[T]:
        """Take every item that may start now; each of them must be :meth:`done` some day."""
        agent = self._agents.get(agent_id)
        while agent is not None and len(agent.busy) < max(1, self._limit_of(agent_id)):
            session = next((name for name in agent.waiting if name not in agent.busy), None)
            if session is None:
                return
            items = agent.waiting.pop(session)
            item = items.popleft()
            if items:
                agent.waiting[session] = items  # behind the others
            agent.busy.add(session)
            yield item

    def done(self, agent_id: str, session: str) -> None:
        """The session's started item has ended."""
        agent = self._agents[agent_id]
        agent.busy.discard(session)
        if not agent.busy and not agent.waiting:
            del self._agents[agent_id]

    def remove(self, agent_id: str, session: str, item: T) -> bool:
        """Take back an item that was not started. ``False`` if it was."""
        agent = self._agents.get(agent_id)
        items = agent.waiting.get(session) if agent is not None else None
        if agent is None or items is None or item not in items:
            return False
        items.remove(item)
        if not items:
            del agent.waiting[session]
        if not agent.busy and not agent.waiting:
            del self._agents[agent_id]
        return True

    def drain(self) -> list[T]:
        """Take back everything that was not started."""
        left = [item for agent in self._agents.values() for items in agent.waiting.values() for item in items]
        for agent in self._agents.values():
            agent.waiting.clear()
        self._agents = {name: agent for name, agent in self._agents.items() if agent.busy}
        return left

    def waiting(self, agent_id: str) -> int:
        """How many items of an agent wait for their turn."""
        agent = self._agents.get(agent_id)
        return sum(len(items) for items in agent.waiting.values()) if agent is not None else 0
