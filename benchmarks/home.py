"""Homes for the servers of a benchmark."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.processes import environ_of
from copaw.config.home import make_agent_workspace, make_home
from copaw.config.models import AgentProfileRef, new_profile
from copaw.config.secrets import SecretFiles
from copaw.config.store import ConfigStore
from copaw.paths import Paths
from copaw.providers.models import ModelInfo
from copaw.providers.store import ProviderStore

PROVIDER, MODEL = "copaw-bench", "scripted"


def make(directory: Path, model_url: str, further_agents: int = 0) -> Paths:
    """Make a home whose agents use the model server."""
    paths = Paths.from_environment(environ_of(directory))
    make_home(paths, language="en")
    providers = ProviderStore(SecretFiles(paths.providers_dir))
    providers.load()
    models = [ModelInfo(id=MODEL, name=MODEL)]
    providers.add_custom(
        PROVIDER, "Benchmarks", base_url=model_url, api_key_prefix="", chat_model="OpenAIChatModel", models=models
    )
    providers.configure(PROVIDER, api_key="none")
    providers.set_active(PROVIDER, MODEL)
    if further_agents:
        asyncio.run(_add_agents(paths, further_agents))
    return paths


async def _add_agents(paths: Paths, count: int) -> None:
    store = ConfigStore(paths)
    await store.load()
    for number in range(count):
        agent_id = f"further{number:03}"
        root = paths.default_workspace(agent_id)
        profile = new_profile(agent_id, agent_id, workspace_dir=str(root), language="en")
        await asyncio.to_thread(make_agent_workspace, root, profile, "en", paths=paths)
        await store.add_agent(AgentProfileRef(id=agent_id, workspace_dir=str(root)), profile)
