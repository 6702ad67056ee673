"""Making a new home and the workspace of a new agent. Blocking: on an event loop use ``asyncio.to_thread``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from copaw.aiokits.files import encode_json, set_aside_as_backup, write_atomic
from copaw.config.models.agent import AgentProfileConfig, new_profile
from copaw.config.models.heartbeat import HeartbeatConfig
from copaw.config.models.root import AgentProfileRef, AgentsConfig, AgentsDefaultsConfig, RootConfig
from copaw.paths import Paths, WorkspacePaths

DEFAULT_AGENT_ID = "default"
PROMPT_FILES = ("AGENTS.md", "SOUL.md", "PROFILE.md", "MEMORY.md", "HEARTBEAT.md")
BOOTSTRAP_FILE = "BOOTSTRAP.md"
TEMPLATE_LANGUAGES = ("en", "zh")

_DESCRIPTION = {"en": "Your personal assistant for everyday work.", "zh": "处理日常事务的个人助理。"}


def home_exists(paths: Paths) -> bool:
    """Whether there is a config.json, which is the last file that :func:`make_home` writes."""
    return paths.config_file.is_file()


def make_home(paths: Paths, *, language: str = "zh", force: bool = False) -> list[Path]:
    """Make ``config.json`` and the workspace of the agent ``default``.

    :param language: of the prompt files: ``zh``, or English for any other.
    :param force: also replace configuration and prompt files that exist; each old one is kept as ``.bak``.
        Chats and jobs are never replaced.
    :returns: the files that were written.
    :raises OSError: one could not be written; what was written before it is complete.
    """
    directory = paths.default_workspace(DEFAULT_AGENT_ID)
    profile = new_profile(
        DEFAULT_AGENT_ID,
        "Default",
        description=_DESCRIPTION[template_language(language)],
        workspace_dir=str(directory),
        language=language,
    )
    made = make_agent_workspace(directory, profile, language, paths=paths, force=force)
    content = encode_json(_new_root(directory, language).model_dump())
    return made + _write_missing(paths.config_file, content, force=force)


def make_agent_workspace(
    directory: Path,
    profile: AgentProfileConfig,
    language: str,
    *,
    paths: Paths | None = None,
    force: bool = False,
) -> list[Path]:
    """Make what is missing of a workspace: agent.json, chats, jobs, directories and prompt files.

    ``BOOTSTRAP.md`` is made for a new agent only, because an agent deletes it after its first conversation.

    :param paths: gives the names of files that the environment can change.
    :returns: the files that were written.
    :raises OSError: as for :func:`make_home`.
    """
    names = _FileNames(directory, paths)
    is_new = not names.workspace.agent_file.exists()
    for made in (names.workspace.sessions_dir, names.workspace.memory_dir, names.workspace.media_dir):
        made.mkdir(parents=True, exist_ok=True)
    written = []
    for name in (*PROMPT_FILES, BOOTSTRAP_FILE) if is_new or force else PROMPT_FILES:
        written += _write_missing(names.prompt(name), _template(language, name), force=force)
    written += _write_missing(names.workspace.chats_file, encode_json({"version": 1, "chats": []}))
    written += _write_missing(names.workspace.jobs_file, encode_json({"version": 1, "jobs": []}))
    written += _write_missing(names.workspace.agent_file, encode_json(profile.model_dump()), force=force)
    return written


def template_language(language: str) -> str:
    """The language in which there are templates: that asked for (``zh-CN`` is ``zh``), else English."""
    wanted = language.lower().replace("_", "-").split("-", 1)[0]
    return wanted if wanted in TEMPLATE_LANGUAGES else "en"


class _FileNames:
    def __init__(self, directory: Path, paths: Paths | None) -> None:
        self.workspace = (
            WorkspacePaths(directory, paths.chats_name, paths.jobs_name) if paths else WorkspacePaths(directory)
        )
        self._heartbeat = paths.heartbeat_name if paths else "HEARTBEAT.md"

    def prompt(self, name: str) -> Path:
        return self.workspace.root / (self._heartbeat if name == "HEARTBEAT.md" else name)


def _new_root(directory: Path, language: str) -> RootConfig:
    ref = AgentProfileRef(id=DEFAULT_AGENT_ID, workspace_dir=str(directory))
    return RootConfig(
        agents=AgentsConfig(
            active_agent=DEFAULT_AGENT_ID,
            agent_order=[DEFAULT_AGENT_ID],
            profiles={DEFAULT_AGENT_ID: ref},
            defaults=AgentsDefaultsConfig(heartbeat=HeartbeatConfig()),
            language=language,
            installed_md_files_language=template_language(language),
        )
    )


def _template(language: str, name: str) -> bytes:
    folder = resources.files("copaw.config") / "templates" / template_language(language)
    return (folder / name).read_bytes()


def _write_missing(path: Path, content: bytes, *, force: bool = False) -> list[Path]:
    if path.exists():
        if not force or path.read_bytes() == content:
            return []
        set_aside_as_backup(path)
    write_atomic(path, content)
    return [path]
