"""Every directory and file name, in one frozen object built once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are.

    :param working_dir: ``~/.copaw`` or ``COPAW_WORKING_DIR``.
    :param secret_dir: ``<working_dir>.secret`` or ``COPAW_SECRET_DIR``; mode 0700.
    """

    working_dir: Path
    secret_dir: Path
    config_name: str = "config.json"
    chats_name: str = "chats.json"
    jobs_name: str = "jobs.json"
    heartbeat_name: str = "HEARTBEAT.md"
    token_usage_name: str = "token_usage.json"
    console_static_dir: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """Read ``COPAW_*`` (see ``docs/configuration.md``). ``environ`` defaults to the process's."""
        env = os.environ if environ is None else environ
        working = Path(env.get("COPAW_WORKING_DIR") or "~/.copaw").expanduser().absolute()
        secret = env.get("COPAW_SECRET_DIR")
        static = env.get("COPAW_CONSOLE_STATIC_DIR")
        return cls(
            working_dir=working,
            secret_dir=Path(secret).expanduser().absolute() if secret else working.with_name(working.name + ".secret"),
            config_name=env.get("COPAW_CONFIG_FILE") or "config.json",
            chats_name=env.get("COPAW_CHATS_FILE") or "chats.json",
            jobs_name=env.get("COPAW_JOBS_FILE") or "jobs.json",
            heartbeat_name=env.get("COPAW_HEARTBEAT_FILE") or "HEARTBEAT.md",
            token_usage_name=env.get("COPAW_TOKEN_USAGE_FILE") or "token_usage.json",
            console_static_dir=Path(static).expanduser().absolute() if static else None,
        )

    @property
    def config_file(self) -> Path:
        return self.working_dir / self.config_name

    @property
    def settings_file(self) -> Path:
        """What the web console remembers."""
        return self.working_dir / "settings.json"

    @property
    def token_usage_file(self) -> Path:
        return self.working_dir / self.token_usage_name

    @property
    def log_file(self) -> Path:
        return self.working_dir / "copaw.log"

    @property
    def media_dir(self) -> Path:
        """Uploads of the console."""
        return self.working_dir / "media"

    @property
    def backups_dir(self) -> Path:
        """What uploads of workspaces replaced."""
        return self.working_dir / "backups"

    @property
    def providers_dir(self) -> Path:
        """``<secret_dir>/providers``: provider settings with their keys, one file each."""
        return self.secret_dir / "providers"

    def default_workspace(self, agent_id: str) -> Path:
        return self.working_dir / "workspaces" / agent_id

    def workspace(self, agent_id: str, configured: str) -> Path:
        """The directory that ``workspace_dir`` of an agent means, absolute; the default one if it is empty."""
        if not configured:
            return self.default_workspace(agent_id)
        directory = Path(configured)
        with suppress(RuntimeError):  # "~nobody": left as it is, and then found to be missing
            directory = directory.expanduser()
        return self.working_dir / directory


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The files of one agent's workspace directory."""

    root: Path
    chats_name: str = "chats.json"
    jobs_name: str = "jobs.json"

    @property
    def agent_file(self) -> Path:
        return self.root / "agent.json"

    @property
    def chats_file(self) -> Path:
        return self.root / self.chats_name

    @property
    def jobs_file(self) -> Path:
        return self.root / self.jobs_name

    @property
    def sessions_dir(self) -> Path:
        return self.root / "sessions"

    @property
    def memory_dir(self) -> Path:
        return self.root / "memory"

    @property
    def media_dir(self) -> Path:
        return self.root / "media"

    @property
    def dialog_dir(self) -> Path:
        """Messages that have left their session: cleared, or replaced by a summary."""
        return self.root / "dialog"

    @property
    def tool_results_dir(self) -> Path:
        """The whole of tool results that are shortened in their session; kept for some days."""
        return self.root / "tool_results"
