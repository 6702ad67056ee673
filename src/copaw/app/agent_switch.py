"""Disabling and deleting agents."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path

from copaw.app.services import Services
from copaw.config.home import DEFAULT_AGENT_ID
from copaw.errors import BadInput, Conflict, EndReason


class ProtectedAgent(BadInput):
    """The default agent can be neither deleted nor disabled."""

    http_status = 400
    code = "PROTECTED_AGENT"


async def delete_agent(services: Services, agent_id: str, *, delete_workspace: bool = False) -> None:
    """End an agent's work and take it out of config.json.

    :param delete_workspace: delete its workspace directory too, with all its sessions; otherwise it stays.
    :raises ProtectedAgent: it is the default agent.
    :raises BadInput: its workspace is not below ``workspaces``. :raises Conflict: another agent has files in it. Both
        come before anything is changed.
    """
    services.config.ref(agent_id)
    if agent_id == DEFAULT_AGENT_ID:
        raise ProtectedAgent("Agent 'default' cannot be deleted: requests that name no agent go to it.")
    workspace = await asyncio.to_thread(_deletable, services, agent_id) if delete_workspace else None
    await services.chats.flush()
    services.chats.forget(agent_id)
    # Configuration first: if that fails the agent works on, and no reload can bring it back once it has stopped.
    await services.config.remove_agent(agent_id)
    await services.manager.stop_agent(agent_id, EndReason.AGENT_DELETED, wait_closed=workspace is not None)
    if workspace is not None:
        # What ran of its schedule is recorded in the workspace: afterwards nobody writes there any more.
        await services.crons.of(agent_id).let_go()
        await asyncio.to_thread(_delete, workspace)


def _deletable(services: Services, agent_id: str) -> Path:
    config = services.config
    directory = config.workspace_dir(agent_id).resolve()
    if not directory.is_relative_to((services.paths.working_dir / "workspaces").resolve()):
        raise BadInput(
            f"delete_workspace: {directory} is not below the directory 'workspaces' of copaw and is not deleted by it. "
            "Delete the agent alone, and then the directory yourself.",
            field="delete_workspace",
        )
    for other in config.agent_ids():
        if other != agent_id and config.workspace_dir(other).resolve().is_relative_to(directory):
            raise Conflict(f"The workspace of agent '{other}' lies in {directory}, so that it cannot be deleted.")
    return directory


def _delete(directory: Path) -> None:
    # Out of the way at once, so that an agent of the same name does not meet half of it.
    gone = directory.with_name(f".{directory.name}.deleted-{uuid.uuid4().hex[:8]}")
    directory.rename(gone)
    shutil.rmtree(gone)


async def switch_agent(services: Services, agent_id: str, enabled: bool) -> None:
    """Enable an agent, or disable it and end its work. Starting it is the caller's.

    :raises ProtectedAgent: the default agent would be disabled.
    """
    services.config.ref(agent_id)
    if not enabled and agent_id == DEFAULT_AGENT_ID:
        raise ProtectedAgent("Agent 'default' cannot be disabled: requests that name no agent go to it.")
    await services.config.set_enabled(agent_id, enabled)
    if not enabled:
        await services.manager.stop_agent(agent_id, EndReason.AGENT_DISABLED)
