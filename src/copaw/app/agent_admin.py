"""Making, changing, ordering, switching and deleting agents."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from copaw.app.patching import patched
from copaw.app.prompt_language import checked_language
from copaw.app.services import Services
from copaw.config.digest import RUN_TIME_STATE
from copaw.config.home import make_agent_workspace
from copaw.config.ineffective import refuse_ineffective
from copaw.config.models import AgentProfileConfig, AgentProfileRef, new_profile
from copaw.config.store import ConfigStore
from copaw.errors import BadInput, ConfigFileError, Conflict, NotImplementedHere
from copaw.paths import Paths
from copaw.ports import Json

_ID_LENGTH = 6
_ID_LETTERS = string.ascii_letters + string.digits


class CreateAgentRequest(BaseModel):
    """A new agent. Without ``workspace_dir`` its workspace is ``workspaces/<id>`` of the working directory."""

    name: str
    description: str = ""
    workspace_dir: str | None = None
    language: str = "en"
    skill_names: list[str] | None = None


class AgentSummary(BaseModel):
    """One agent in a list. ``problem`` says why its agent.json cannot be used, if so."""

    id: str
    name: str
    description: str
    workspace_dir: str
    enabled: bool
    problem: str | None = None


def summaries(config: ConfigStore) -> list[AgentSummary]:
    """Every agent in order, disabled and broken ones too."""
    return [_summary(config, agent_id) for agent_id in config.agent_ids()]


def _summary(config: ConfigStore, agent_id: str) -> AgentSummary:
    problem = config.problem(agent_id)
    name, description = agent_id, ""
    with suppress(ConfigFileError):  # told as the problem
        profile = config.agent(agent_id)
        name, description = profile.name, profile.description
    return AgentSummary(
        id=agent_id,
        name=name,
        description=description,
        workspace_dir=str(config.workspace_dir(agent_id)),
        enabled=config.ref(agent_id).enabled,
        problem=problem.message if problem is not None else None,
    )


async def create_agent(services: Services, wanted: CreateAgentRequest) -> AgentProfileRef:
    """Make an agent's workspace and enter it in config.json. Starting it is the caller's.

    A directory that exists is used as it is: only files that are missing are written.

    :raises BadInput: a field is not valid, or the directory cannot be used.
    :raises Conflict: the directory is the workspace of another agent.
    :raises NotImplementedHere: skills were asked for.
    """
    name = wanted.name.strip()
    if not name:
        raise BadInput("name: give the agent a name.", field="name")
    if wanted.skill_names:
        raise NotImplementedHere("A new agent cannot be given skills in this version; leave skill_names out.")
    language = checked_language(wanted.language)
    directory = _chosen_directory(services.paths, wanted.workspace_dir)
    agent_id = await asyncio.to_thread(_free_id, services)
    root = directory or services.paths.default_workspace(agent_id)
    profile = new_profile(agent_id, name, description=wanted.description, workspace_dir=str(root), language=language)
    others = {services.config.workspace_dir(other): other for other in services.config.agent_ids()}
    try:
        await asyncio.to_thread(_make_workspace, root, profile, services.paths, others)
    except OSError as error:
        if directory is None:
            raise
        message = f"workspace_dir: {root} cannot be used: {error.strerror}."
        raise BadInput(message, field="workspace_dir") from error
    await services.config.add_agent(AgentProfileRef(id=agent_id, workspace_dir=str(root)), profile)
    return services.config.ref(agent_id)


def _chosen_directory(paths: Paths, given: str | None) -> Path | None:
    text = (given or "").strip()
    if not text:
        return None
    try:
        if "\0" in text:
            raise ValueError("a path has no NUL character")
        return paths.working_dir / Path(text).expanduser()
    except (ValueError, RuntimeError) as error:
        raise BadInput(f"workspace_dir: {error}.", field="workspace_dir") from error


def _free_id(services: Services) -> str:
    """An id that no agent of this process has or had, and whose default directory is free."""
    taken = {*services.config.agent_ids(), *(slot.agent_id for slot in services.manager.slots())}
    while True:
        agent_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        if agent_id not in taken and not services.paths.default_workspace(agent_id).exists():
            return agent_id


def _make_workspace(root: Path, profile: AgentProfileConfig, paths: Paths, others: dict[Path, str]) -> None:
    for directory, other in others.items():
        if directory.resolve() == root.resolve():
            raise Conflict(f"workspace_dir: {root} is the workspace of agent '{other}'. Choose another directory.")
    make_agent_workspace(root, profile, profile.language, paths=paths)


def profile_of(config: ConfigStore, agent_id: str) -> AgentProfileConfig:
    """An agent's configuration with the run-time state that 1.0.2 kept in it.

    :raises AgentNotFound, ConfigFileError: there is none to show.
    """
    return config.agent(agent_id).model_copy(update={"last_dispatch": config.last_dispatch(agent_id)})


async def update_agent(
    config: ConfigStore, agent_id: str, patch: Json, *, expected_revision: int | None = None
) -> AgentProfileConfig:
    """Change the fields of an agent that ``patch`` names; objects are merged field by field.

    :raises BadInput: the result is not valid, or the id or the workspace directory would change.
    :raises NotImplementedHere: a new value would have no effect.
    """
    _refuse_move(config, agent_id, patch)
    fixed = {"id", "workspace_dir", *RUN_TIME_STATE}
    wanted = {key: value for key, value in patch.items() if key not in fixed}

    def change(profile: AgentProfileConfig) -> None:
        result = patched(profile, wanted)
        refuse_ineffective(profile.running, result.running)
        for name, value in result:
            setattr(profile, name, value)

    await config.patch_agent(agent_id, change, expected_revision=expected_revision)
    return profile_of(config, agent_id)


def _refuse_move(config: ConfigStore, agent_id: str, patch: Json) -> None:
    root = config.workspace_dir(agent_id)
    if patch.get("id", agent_id) != agent_id:
        raise BadInput(f"id: the id of agent '{agent_id}' cannot be changed. Leave it out, or send it.", field="id")
    given = patch.get("workspace_dir")
    if given and given not in (config.agent(agent_id).workspace_dir, config.ref(agent_id).workspace_dir, str(root)):
        raise BadInput(
            f"workspace_dir: the workspace of agent '{agent_id}' stays {root}. Leave the field out. To move it, stop "
            "the server, move the directory and change its path in config.json.",
            field="workspace_dir",
        )


async def reorder_agents(config: ConfigStore, agent_ids: Sequence[str]) -> None:
    """Set the order of the agents. :raises BadInput: one is missing, unknown or named twice; it says which."""
    known = config.agent_ids()
    faults = {
        "missing": [agent_id for agent_id in known if agent_id not in agent_ids],
        "unknown": [agent_id for agent_id in dict.fromkeys(agent_ids) if agent_id not in known],
        "named more than once": [agent_id for agent_id, count in Counter(agent_ids).items() if count > 1],
    }
    told = [f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names]
    if told:
        raise BadInput(f"agent_ids: every agent must be named exactly once; {'; '.join(told)}.", field="agent_ids")
    await config.reorder(agent_ids)
