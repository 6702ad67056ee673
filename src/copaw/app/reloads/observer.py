"""Who is told of what happens to an agent."""

from __future__ import annotations

from typing import Protocol

from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.workspace.workspace import Workspace


class LifecycleObserver(Protocol):
    """Told of outcomes and closed generations. Plain functions that must not raise."""

    def reloaded(self, agent_id: str, report: ReloadOutcome) -> None: ...

    def closed(self, workspace: Workspace) -> None: ...


class NoObserver:
    """Tells nobody."""

    def reloaded(self, agent_id: str, report: ReloadOutcome) -> None:
        return None

    def closed(self, workspace: Workspace) -> None:
        return None
