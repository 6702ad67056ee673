"""What a check finds, and what it looks at."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from copaw.cli.client import Client
from copaw.config.json_file import read_snapshot
from copaw.config.models import AgentProfileConfig
from copaw.config.models.root import RootConfig
from copaw.errors import ConfigFileError
from copaw.paths import Paths
from copaw.ports import Json


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :param check: which check found it.
    :param what: one sentence.
    :param mend: a command to type; empty if nothing needs mending.
    :param fix: mends it at once; ``None`` if that is for a person to do.
    """

    check: str
    level: Level
    what: str
    mend: str = ""
    fix: Callable[[], None] | None = None

    def document(self) -> Json:
        """For ``--json``."""
        return {"check": self.check, "level": self.level, "what": self.what, "mend": self.mend or None}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at.

    :param client: of the server that answers; ``None`` if none does.
    :param address: where it was looked for.
    :param held: whether a server holds the working directory.
    :param timeout_s: for each request to a model or a database.
    """

    paths: Paths
    environ: Mapping[str, str]
    client: Client | None
    address: str
    held: bool
    timeout_s: float = 10.0

    def root(self) -> RootConfig | None:
        """config.json; ``None`` if it cannot be used, which the check of the home tells."""
        try:
            return read_snapshot(self.paths.config_file, RootConfig).model
        except ConfigFileError:
            return None

    def workspaces(self) -> dict[str, Path]:
        """The directory of every agent that is enabled."""
        root = self.root()
        refs = root.agents.profiles if root is not None else {}
        return {
            agent_id: self.paths.workspace(agent_id, ref.workspace_dir) for agent_id, ref in refs.items() if ref.enabled
        }

    def profiles(self) -> dict[str, AgentProfileConfig]:
        """The agents whose agent.json can be used."""
        found = {}
        for agent_id, directory in self.workspaces().items():
            try:
                found[agent_id] = read_snapshot(directory / "agent.json", AgentProfileConfig).model
            except ConfigFileError:
                continue
        return found


def edit(path: Path) -> str:
    """The command that opens a file in the user's editor."""
    return f'"${{EDITOR:-vi}}" {shlex.quote(str(path))}'
