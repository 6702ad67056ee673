"""The files of the home: that they are there, parse and validate."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from copaw.aiokits.files import read_json
from copaw.app.crons.models import JobsFile
from copaw.cli.doctor.finding import Finding, Level, Subject, edit
from copaw.cli.output import count
from copaw.config.envs import EnvFile
from copaw.config.json_file import read_snapshot
from copaw.config.models import AgentProfileConfig
from copaw.config.models.root import RootConfig
from copaw.config.problems import file_error
from copaw.config.secrets import SecretFiles
from copaw.errors import ConfigFileError
from copaw.providers.store import ProviderStore

CHECK = "home"
MAX_SESSIONS = 500
"""So many of an agent's session files are read, the newest first."""


def check_config(subject: Subject) -> Iterator[Finding]:
    """There is a config.json, and it can be used."""
    paths = subject.paths
    if not paths.config_file.exists():
        yield Finding(CHECK, Level.WARN, f"There is no home in {paths.working_dir} yet.", "copaw init")
        return
    try:
        root = read_snapshot(paths.config_file, RootConfig).model
    except ConfigFileError as error:
        yield Finding(CHECK, Level.ERROR, error.message, edit(paths.config_file))
        return
    for directory in (paths.working_dir, paths.secret_dir):
        if directory.exists() and not os.access(directory, os.W_OK | os.X_OK):
            mend = f"sudo chown -R {os.geteuid()} {shlex.quote(str(directory))}"
            yield Finding(CHECK, Level.ERROR, f"{directory} cannot be written by this user.", mend)
    yield Finding(CHECK, Level.OK, f"{paths.config_file} names {count(len(root.agents.profiles), 'agent')}.")


def check_agents(subject: Subject) -> Iterator[Finding]:
    """Each agent has its workspace, a usable agent.json and its prompt files."""
    for agent_id, directory in subject.workspaces().items():
        file = directory / "agent.json"
        if not directory.is_dir():
            what = f"The workspace {directory} of agent {agent_id} is missing: restore it, or take the agent out."
            yield Finding(CHECK, Level.ERROR, what, edit(subject.paths.config_file))
            continue
        try:
            profile = read_snapshot(file, AgentProfileConfig).model
        except ConfigFileError as error:
            yield Finding(CHECK, Level.ERROR, f"Agent {agent_id}: {error.message}", edit(file))
            continue
        for name in profile.system_prompt_files:
            if not (directory / name).is_file():
                what = f"Agent {agent_id} lacks its prompt file {name}."
                yield Finding(CHECK, Level.WARN, what, edit(directory / name))


def check_records(subject: Subject) -> Iterator[Finding]:
    """Chats, jobs and sessions can be read."""
    for agent_id, directory in subject.workspaces().items():
        if not directory.is_dir():
            continue  # told already
        chats, jobs = directory / subject.paths.chats_name, directory / subject.paths.jobs_name
        problems = [(chats, _unreadable(chats)), (jobs, _unreadable(jobs) or _bad_jobs(jobs))]
        problems += [(path, _unreadable(path)) for path in _sessions(directory / "sessions")]
        for path, problem in problems:
            if problem:
                yield Finding(CHECK, Level.ERROR, f"Agent {agent_id}: {path}: {problem}.", edit(path))


def check_secrets(subject: Subject) -> Iterator[Finding]:
    """The settings of providers and the variables for commands can be read."""
    store = ProviderStore(SecretFiles(subject.paths.providers_dir))
    store.load()
    for error in store.problems().values():
        yield Finding(CHECK, Level.ERROR, error.message, edit(Path(str(error.path))))
    try:
        EnvFile(subject.paths.secret_dir).load()
    except ConfigFileError as error:
        yield Finding(CHECK, Level.ERROR, error.message, edit(Path(str(error.path))))


def _unreadable(path: Path) -> str:
    """Why a JSON object cannot be read; empty if it can, or is not there."""
    try:
        document = read_json(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ValueError as error:
        return str(error)
    return "" if isinstance(document, dict) else "it must hold a JSON object"


def _bad_jobs(path: Path) -> str:
    try:
        JobsFile.model_validate(read_json(path))
    except FileNotFoundError:
        return ""
    except ValidationError as error:
        found = file_error(path, error)
        return f"{found.field}: {found.problem}"
    return ""


def _sessions(directory: Path) -> list[Path]:
    files = [path for path in directory.glob("*.json") if path.is_file()] if directory.is_dir() else []
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:MAX_SESSIONS]
