"""One headless run: a server of its own, in a temporary home that holds a copy of one agent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from copaw.cli import runs
from copaw.cli.client import Client
from copaw.cli.drill.server import server_process, wait_until_listening
from copaw.cli.task_client import TaskClient
from copaw.cli.transport import Transport
from copaw.config.secrets import SecretFiles
from copaw.errors import AgentNotFound, BadInput
from copaw.paths import Paths
from copaw.ports import Json
from copaw.security.local_token import known_local_token

_PROMPTS = "*.md"
_SERVERS_OWN = frozenset(
    {
        "agent.json",
        "chats.json",
        "cron_state.json",
        "dialog",
        "jobs.json",
        "runtime.json",
        "sessions",
        "tool_results",
        "workspace.lock",
    }
)

Files = dict[Path, tuple[int, int]]
"""Files of a workspace with the time of their last change and their size."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run, and how. See ``copaw task --help``."""

    instruction: str
    agent_id: str
    model: str | None
    max_iters: int
    timeout_s: int
    no_guard: bool
    output_dir: Path | None


def run(options: Options) -> str:
    """Run it and return the answer.

    :raises AgentNotFound: there is no such agent. :raises RunFailed: the run did not complete.
    """
    paths = Paths.from_environment()
    home = Path(tempfile.mkdtemp(prefix="copaw-task-"))
    try:
        workspace = copy_agent(paths, home, options)
        before = _files(workspace)
        with _server(paths, home, options) as base_url:
            task = _submit_and_wait(base_url, options, paths)
        if options.output_dir is not None:
            keep(options.output_dir, workspace, changed(before, _files(workspace)), task)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if task.get("state") != "succeeded":
        raise runs.RunFailed(runs.error_text(task))
    return runs.answer_text(task.get("result") or {})


def copy_agent(paths: Paths, home: Path, options: Options) -> Path:
    """Make a home with a copy of one agent; return the workspace of the copy.

    :raises AgentNotFound: there is no such agent.
    """
    root: Json = json.loads(paths.config_file.read_text("utf-8")) if paths.config_file.is_file() else {}
    agents = root.get("agents") or {}
    ref = (agents.get("profiles") or {}).get(options.agent_id)
    if not isinstance(ref, dict):
        raise AgentNotFound(options.agent_id)
    source = Path(ref.get("workspace_dir") or paths.default_workspace(options.agent_id)).expanduser()
    workspace = home / "working" / "workspaces" / options.agent_id
    workspace.mkdir(parents=True)
    for prompt in source.glob(_PROMPTS):
        shutil.copy2(prompt, workspace)
    agent: Json = json.loads((source / "agent.json").read_text("utf-8"))
    agent |= {"workspace_dir": str(workspace), "channels": {}, "heartbeat": None}
    agent["running"] = {**(agent.get("running") or {}), "max_iters": options.max_iters}
    if options.model is not None:
        provider_id, separator, model = options.model.partition("/")
        if not separator or not provider_id or not model:
            raise BadInput(f"--model must be PROVIDER/MODEL, not {options.model!r}.", field="model")
        agent["active_model"] = {"provider_id": provider_id, "model": model}
    (workspace / "agent.json").write_text(json.dumps(agent, ensure_ascii=False), "utf-8")
    mine = {**ref, "workspace_dir": str(workspace), "enabled": True}
    chosen = {"profiles": {options.agent_id: mine}, "active_agent": options.agent_id, "agent_order": [options.agent_id]}
    root["agents"] = {**agents, **chosen}
    (home / "working" / "config.json").write_text(json.dumps(root, ensure_ascii=False), "utf-8")
    return workspace


@contextmanager
def _server(paths: Paths, home: Path, options: Options) -> Iterator[str]:
    environ = {**os.environ, "COPAW_WORKING_DIR": str(home / "working"), "COPAW_SECRET_DIR": str(paths.secret_dir)}
    environ["PYTHONUNBUFFERED"] = "1"
    environ.pop("COPAW_DATABASE_URL", None)
    if options.no_guard:
        environ["COPAW_TOOL_GUARD_ENABLED"] = "false"
    log_file = home / "server.log"
    with server_process(environ, log_file) as (process, listening):
        yield wait_until_listening(process, listening, log_file)


def _submit_and_wait(base_url: str, options: Options, paths: Paths) -> Json:
    # Its own server's token, whatever COPAW_API_TOKEN is for.
    token = known_local_token(SecretFiles(paths.secret_dir))
    http = Transport(base_url, agent_id=options.agent_id, timeout_s=60.0, token=token)
    request = runs.request_of(runs.new_session_id("task", options.agent_id), options.instruction)
    answer = Client(http).submit({**request, "timeout_seconds": options.timeout_s}, timeout_s=60.0)
    return TaskClient(http).wait(str(answer.get("task_id")), None)


def keep(output_dir: Path, workspace: Path, made: set[Path], task: Json) -> None:
    """Put the task, as ``task.json``, and the files that were made or changed into ``output_dir``."""
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "task.json").write_text(json.dumps(task, ensure_ascii=False, indent=2), "utf-8")
    for path in made:
        target = output_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(workspace / path, target)


def changed(before: Files, after: Files) -> set[Path]:
    """The files that were made or written to, without those that the server keeps for itself."""
    return {path for path, stamp in after.items() if before.get(path) != stamp and path.parts[0] not in _SERVERS_OWN}


def _files(workspace: Path) -> Files:
    found = [path for path in workspace.rglob("*") if path.is_file()]
    return {path.relative_to(workspace): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}
