"""One started generation of an agent."""

from copaw.app.workspace.state import WorkspaceState
from copaw.app.workspace.workspace import Workspace
from copaw.config.snapshot import AgentSnapshot

__all__ = ["AgentSnapshot", "Workspace", "WorkspaceState"]
