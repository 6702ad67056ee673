"""Damaged files: each is named with what is wrong, or set aside whole; none is ever overwritten.

Every kind of file that a home has is written with random damage, read by what reads it in the server, and then changed.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from copaw.app.chat_admin import ChatHistory
from copaw.app.crons.models import CronJobSpec
from copaw.app.crons.state import EntryState, FileStateStore
from copaw.app.crons.store import FileJobStore, job_of
from copaw.app.runner.chats import ChatBook
from copaw.app.runner.history import wire_messages
from copaw.app.runner.session import SessionFiles
from copaw.app.runner.session import file_name as session_name
from copaw.app.token_usage import TokenUsageBook
from copaw.config.envs import EnvFile
from copaw.config.run_state import RunStateFile, runtime_file
from copaw.config.secrets import SecretFiles
from copaw.config.store import ConfigStore
from copaw.errors import ConfigFileError
from copaw.paths import Paths
from copaw.providers.answer import Usage
from copaw.providers.files import ModelSlot
from copaw.providers.store import ProviderStore
from copaw.security.account import AccountFile

pytestmark = pytest.mark.timeout(1800)

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
PER_KIND = 25
"""How many damaged files of each kind are tried when nobody says."""

JOB = {
    "id": "j",
    "name": "Job",
    "schedule": {"type": "cron", "cron": "0 8 * * *", "timezone": "UTC"},
    "request": {"input": "go", "of_a_plugin": 1},
    "dispatch": {"target": {"user_id": "u", "session_id": "s"}},
}
CHAT = {
    "id": "c",
    "name": "Chat",
    "session_id": "s",
    "user_id": "u",
    "created_at": "2026-11-22T14:33:20Z",
    "meta": {"a": 1},
}
MESSAGE = {"id": "m", "name": "user", "role": "user", "content": [{"type": "text", "text": "hi"}], "metadata": None}
CALL = {
    **MESSAGE,
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}}],
}
RESULT = {
    **MESSAGE,
    "role": "system",
    "content": [{"type": "tool_result", "id": "c", "name": "look", "output": "blue"}],
}
SESSION = {
    "agent": {
        "memory": {"content": [[MESSAGE, []], [CALL, ["a"]], [RESULT, []]], "_compressed_summary": "before"},
        "toolkit": {"active_groups": []},
    }
}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    :param place: where it is.
    :param read: reads it as the server does.
    :param change: reads and then changes it.
    """

    name: str
    sample: Any
    place: Callable[[Paths], Path]
    read: Callable[[Paths], Awaitable[object]]
    change: Callable[[Paths], Awaitable[object]]


def workspace(paths: Paths, name: str) -> Path:
    return paths.default_workspace("default") / name


async def read_root(paths: Paths) -> None:
    await ConfigStore(paths).load()


async def change_root(paths: Paths) -> None:
    config = ConfigStore(paths)
    await config.load()
    await config.patch_root(lambda root: setattr(root, "user_timezone", "Europe/Berlin"))


async def read_agent(paths: Paths) -> None:
    config = ConfigStore(paths)
    await config.load()
    config.agent("default")


async def change_agent(paths: Paths) -> None:
    config = ConfigStore(paths)
    await config.load()
    await config.patch_agent("default", lambda profile: setattr(profile, "description", "changed"))


async def read_chats(paths: Paths) -> None:
    await ChatBook(workspace(paths, "chats.json")).load()


async def change_chats(paths: Paths) -> None:
    book = ChatBook(workspace(paths, "chats.json"))
    await book.load()
    book.ensure("new", "u", "console", "hello")
    await book.flush()


async def read_jobs(paths: Paths) -> None:
    await FileJobStore(workspace(paths, "jobs.json")).refresh()


async def change_jobs(paths: Paths) -> None:
    job = job_of(CronJobSpec.model_validate({**JOB, "id": "new"}))
    await FileJobStore(workspace(paths, "jobs.json")).change(lambda jobs: jobs.update(new=job))


async def read_envs(paths: Paths) -> None:
    EnvFile(paths.secret_dir).for_children()


async def change_envs(paths: Paths) -> None:
    EnvFile(paths.secret_dir).set("NEW", "value")


def providers(paths: Paths, broken: str) -> ProviderStore:
    store = ProviderStore(SecretFiles(paths.providers_dir))
    store.load()
    for error in store.problems().values():
        raise error
    return store


async def read_providers(paths: Paths) -> None:
    providers(paths, "")


async def change_builtin(paths: Paths) -> None:
    providers(paths, "").configure("openai", api_key="sk-new")


async def change_custom(paths: Paths) -> None:
    providers(paths, "").configure("own", api_key="sk-new")


async def change_active(paths: Paths) -> None:
    providers(paths, "").set_active("demo", "demo")


async def read_session(paths: Paths) -> None:
    sessions = SessionFiles(workspace(paths, "sessions"))
    state = sessions.load(sessions.path("u", "s"))
    ChatHistory(messages=wire_messages(state.content)).model_dump_json()


async def change_session(paths: Paths) -> None:
    sessions = SessionFiles(workspace(paths, "sessions"))
    state = sessions.load(sessions.path("u", "s"))
    state.content.append((MESSAGE, []))
    sessions.save(state, agent_name="Default", sys_prompt="You are.")


async def read_run_state(paths: Paths) -> None:
    await RunStateFile(runtime_file(paths)).load()


async def change_run_state(paths: Paths) -> None:
    state = RunStateFile(runtime_file(paths))
    await state.load()
    await state.record(last_api=type(state.state).model_validate({"last_api": {"host": "h", "port": 1}}).last_api)


async def read_cron_state(paths: Paths) -> None:
    await FileStateStore(workspace(paths, "cron_state.json")).load()


async def change_cron_state(paths: Paths) -> None:
    store = FileStateStore(workspace(paths, "cron_state.json"))
    await store.save({**await store.load(), "job:new": EntryState()})


async def read_usage(paths: Paths) -> None:
    book = TokenUsageBook(usage_file(paths))
    json.dumps((await book.summary(date.min, date.max)).model_dump(mode="json"))


async def change_usage(paths: Paths) -> None:
    book = TokenUsageBook(usage_file(paths))
    book.record("default", ModelSlot("demo", "demo"), Usage(5, 6))
    await book.aclose()


def usage_file(paths: Paths) -> Path:
    return paths.working_dir / "token_usage.json"


async def read_account(paths: Paths) -> None:
    AccountFile(SecretFiles(paths.secret_dir)).load()


def _sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text("utf-8").replace("<home>/.copaw/", ""))


PROVIDER = {
    "id": "own",
    "name": "Own",
    "base_url": "http://127.0.0.1:9/v1",
    "api_key": "sk",
    "extra_models": [{"id": "m", "name": "M"}],
}
RECORD = {"due_at": 1.0, "started_at": 1.0, "ended_at": 2.0, "status": "success"}
KINDS = (
    Kind("config.json", _sample("file_config.json"), lambda paths: paths.config_file, read_root, change_root),
    Kind("agent.json", _sample("file_agent.json"), lambda p: workspace(p, "agent.json"), read_agent, change_agent),
    Kind(
        "chats.json",
        {"version": 1, "chats": [CHAT, {**CHAT, "id": "d", "session_id": "t"}]},
        lambda p: workspace(p, "chats.json"),
        read_chats,
        change_chats,
    ),
    Kind(
        "jobs.json",
        {"version": 1, "jobs": [JOB, {**JOB, "id": "k"}]},
        lambda p: workspace(p, "jobs.json"),
        read_jobs,
        change_jobs,
    ),
    Kind("envs.json", {"A": "1", "B": "two"}, lambda p: p.secret_dir / "envs.json", read_envs, change_envs),
    Kind(
        "openai.json",
        {"id": "openai", "name": "OpenAI", "api_key": "sk", "models": [{"id": "m", "name": "M"}]},
        lambda p: p.providers_dir / "builtin" / "openai.json",
        read_providers,
        change_builtin,
    ),
    Kind("own.json", PROVIDER, lambda p: p.providers_dir / "custom" / "own.json", read_providers, change_custom),
    Kind(
        "active_model.json",
        {"provider_id": "demo", "model": "demo2"},
        lambda p: p.providers_dir / "active_model.json",
        read_providers,
        change_active,
    ),
    Kind("session", SESSION, lambda p: workspace(p, "sessions") / session_name("u", "s"), read_session, change_session),
    Kind(
        "runtime.json",
        {"version": 1, "last_api": {"host": "h", "port": 8}, "last_dispatch": {}},
        runtime_file,
        read_run_state,
        change_run_state,
    ),
    Kind(
        "cron_state.json",
        {"version": 1, "entries": {"job:j": {"next_due": 5.0, "history": [RECORD]}}},
        lambda p: workspace(p, "cron_state.json"),
        read_cron_state,
        change_cron_state,
    ),
)

KINDS += (
    Kind(
        "token_usage.json",
        {"2026-11-22": {"demo:demo": {"provider_id": "demo", "model": "demo", "prompt_tokens": 5, "call_count": 1}}},
        usage_file,
        read_usage,
        change_usage,
    ),
    Kind(
        "auth.json",
        {"username": "ada", "password_hash": "$scrypt$", "token_key": "k" * 43},
        lambda p: p.secret_dir / "auth.json",
        read_account,
        read_account,
    ),
)


def _is_kept(content: bytes, file: Path) -> bool:
    """Whether the whole file is still there, under its own name or beside it under another."""
    return any(other.is_file() and other.read_bytes() == content for other in file.parent.iterdir())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose files are all good."""
    root = tmp_path_factory.mktemp("homes") / "template"
    paths = Paths(working_dir=root / "copaw", secret_dir=root / "copaw.secret")
    for kind in KINDS:
        file = kind.place(paths)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kind.sample))
    return root


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_damaged_file_is_named_or_set_aside_and_never_overwritten(
    kind: Kind, template: Path, examples: int, damaged: Callable[[Any], st.SearchStrategy[bytes]]
) -> None:
    @settings(
        max_examples=examples // 10 or PER_KIND,
        database=None,
        deadline=None,
        derandomize=not examples,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(content=damaged(kind.sample))
    def check(content: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=template.parent) as directory:
            root = Path(directory) / "home"
            shutil.copytree(template, root)
            paths = Paths(working_dir=root / "copaw", secret_dir=root / "copaw.secret")
            file = kind.place(paths)
            file.write_bytes(content)
            broken = _names_it(kind.read, paths, file)
            assert _is_kept(content, file), "reading keeps it"
            assert _names_it(kind.change, paths, file) or not broken, "what cannot be read cannot be changed"
            if broken:
                assert file.read_bytes() == content, "a change leaves it alone"
            else:
                json.loads(file.read_bytes())

    check()


def _names_it(use: Callable[[Paths], Awaitable[object]], paths: Paths, file: Path) -> bool:
    """Use a file; whether there was an error, which must name the file."""
    try:
        asyncio.run(use(paths))  # type: ignore[arg-type]
    except ConfigFileError as error:
        if file.stem not in str(error):
            raise
        return True
    return False
