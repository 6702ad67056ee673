"""Sections of an agent's configuration that have an operation of their own."""

from __future__ import annotations

import asyncio

from copaw.app.md_files import plain_name
from copaw.app.patching import patched
from copaw.app.prompt_language import checked_language, switch_prompt_files
from copaw.app.services import Services
from copaw.config.ineffective import refuse_ineffective
from copaw.config.models import AgentProfileConfig, AgentsRunningConfig
from copaw.config.store import ConfigStore
from copaw.errors import BadInput
from copaw.ports import Json


async def update_running(
    config: ConfigStore, agent_id: str, patch: Json, *, expected_revision: int | None = None
) -> AgentsRunningConfig:
    """Change the fields of ``running`` that ``patch`` names.

    :raises BadInput: the result is not valid. :raises NotImplementedHere: a new value would have no effect.
    """

    def change(profile: AgentProfileConfig) -> None:
        running = patched(profile.running, patch)
        refuse_ineffective(profile.running, running)
        profile.running = running

    await config.patch_agent(agent_id, change, expected_revision=expected_revision)
    return config.agent(agent_id).running


async def set_system_prompt_files(
    config: ConfigStore, agent_id: str, names: list[str], *, expected_revision: int | None = None
) -> list[str]:
    """Choose the files that make up the system prompt, in this order.

    :raises BadInput: a name is no plain file name, or is given twice.
    """
    for position, name in enumerate(names):
        field = f"system_prompt_files.{position}"
        plain_name(name, field=field)
        if name in names[:position]:
            raise BadInput(f"{field}: '{name}' is named twice.", field=field)

    def change(profile: AgentProfileConfig) -> None:
        profile.system_prompt_files = list(names)

    await config.patch_agent(agent_id, change, expected_revision=expected_revision)
    return config.agent(agent_id).system_prompt_files


async def set_language(services: Services, agent_id: str, body: Json) -> Json:
    """Set an agent's language, and that of the prompt files nobody has edited.

    :raises BadInput: ``language`` is missing or no language tag.
    """
    language = checked_language(body.get("language"))

    def change(profile: AgentProfileConfig) -> None:
        profile.language = language

    await services.config.patch_agent(agent_id, change)
    root = services.config.workspace_dir(agent_id)
    copied = await asyncio.to_thread(switch_prompt_files, root, language, services.paths)
    return {"language": language, "copied_files": copied, "agent_id": agent_id}
