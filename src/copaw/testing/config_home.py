"""Looking at configuration files in tests, and editing them behind the store's back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from copaw.config.changes import ConfigChange
from copaw.config.models import AgentProfileConfig
from copaw.config.store import ConfigStore
from copaw.paths import Paths


async def loaded(paths: Paths) -> ConfigStore:
    """A store that has read its files."""
    store = ConfigStore(paths)
    await store.load()
    return store


def agent_file(paths: Paths, agent_id: str = "default") -> Path:
    """An agent's agent.json in the directory it has by default."""
    return paths.default_workspace(agent_id) / "agent.json"


def read(path: Path) -> Any:
    """The JSON of a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def edit(path: Path, **fields: Any) -> None:
    """Change fields of a file, as somebody with an editor does."""
    path.write_text(json.dumps({**read(path), **fields}), encoding="utf-8")


def heard(store: ConfigStore) -> list[ConfigChange]:
    """A list that gets the changes a store tells."""
    changes: list[ConfigChange] = []
    store.subscribe(changes.append)
    return changes


def set_iters(count: int) -> Any:
    """A change for :meth:`ConfigStore.patch_agent`."""

    def change(profile: AgentProfileConfig) -> None:
        profile.running.max_iters = count

    return change
