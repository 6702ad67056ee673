"""A home that 1.0.2 wrote loads as it is, and stays as it is but for what is said in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from copaw.testing.server import RunningServer, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
SCHEMAS = {
    name: schema
    for of_files in ("files.schema.json", "config.schema.json")
    for name, schema in json.loads((SAMPLES.parent / of_files).read_text("utf-8")).items()
}
QA = "CoPaw_QA_Agent_0.1beta1"
CHAT = {
    "id": "7f1c2a52-3a0c-4d6e-9a51-2f4a6d1b0c11",
    "name": "Weather",
    "session_id": "console:1763822000000",
    "user_id": "default",
    "channel": "console",
    "created_at": "2026-11-22T14:33:20.123456Z",
    "updated_at": "2026-11-22T14:34:00.654321Z",
    "meta": {"of": "1.0.2"},
    "status": "idle",
    "pinned": True,
}
SESSION_FILE = "sessions/default_console--1763822000000.json"
"""The name of the session's file: a colon is no part of a file name everywhere."""


JOB = {
    "id": "5d1f0c1e-8a55-4a86-9c39-0f7f3c0a1b22",
    "name": "Morning",
    "enabled": True,
    "schedule": {"type": "cron", "cron": "0 9 1 1 *", "timezone": "Asia/Shanghai"},
    "task_type": "agent",
    "text": None,
    "request": {"input": [{"role": "user", "content": [{"type": "text", "text": "say good morning"}]}]},
    "dispatch": {
        "type": "channel",
        "channel": "console",
        "target": {"user_id": "default", "session_id": "console:1763822000001"},
        "mode": "final",
        "meta": {},
    },
    "runtime": {"max_concurrency": 1, "timeout_seconds": 120, "misfire_grace_seconds": 60},
    "meta": {"of": "1.0.2"},
}
SECRET = "sk-of-1-0-2-0123456789abcdef"
SECRETS = {
    "providers/builtin/openai.json": {"id": "openai", "name": "OpenAI", "api_key": SECRET, "of_a_plugin": 1},
    "envs.json": {"SOME_KEY": "value"},
}


def entry(role: str, content: Any, *marks: str, name: str = "Default") -> list[Any]:
    """One message of a session, with its marks."""
    message = {
        "id": f"{role}{len(json.dumps(content))}",
        "name": name,
        "role": role,
        "content": content,
        "metadata": None,
        "timestamp": "2026-11-22 14:33:21.004",
    }
    return [message, list(marks)]


ENTRIES = [
    entry("user", [{"type": "text", "text": "What is the weather?"}], name="user"),
    entry(
        "assistant",
        [
            {"type": "thinking", "thinking": "I shall look."},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sky"}, "raw_input": '{"at": "sky"}'},
        ],
    ),
    entry(
        "system",
        [{"type": "tool_result", "id": "call_1", "name": "look", "output": [{"type": "text", "text": "blue"}]}],
        name="system",
    ),
    entry("assistant", "It is fine."),
]
SESSION = {
    "agent": {
        "memory": {"content": ENTRIES, "_compressed_summary": "Before: greetings.", "of_a_plugin": 1},
        "toolkit": {"active_groups": []},
        "name": "Default",
        "_sys_prompt": "You are.",
    },
    "of_another": {"kept": True},
}


def sample(name: str, home: Path) -> Any:
    """A file of a 1.0.2 home, or what 1.0.2 answered, with this home's directory in it."""
    return json.loads(text_of(name, home))


def text_of(name: str, home: Path) -> str:
    return (SAMPLES / name).read_text("utf-8").replace("<home>/.copaw", str(home / "copaw"))


def make_home(home: Path) -> None:
    working = home / "copaw"
    write(working / "config.json", text_of("file_config.json", home))
    for agent in ("default", QA):
        directory = working / "workspaces" / agent
        document = sample("file_agent.json", home)
        if agent == QA:
            document |= {"id": QA, "name": "QA Agent", "workspace_dir": str(directory), "of_a_plugin": {"kept": True}}
        write(directory / "agent.json", json.dumps(document, indent=2, ensure_ascii=False))
        jobs = [JOB] if agent == "default" else []
        write(directory / "jobs.json", json.dumps({"version": 1, "jobs": jobs}, indent=2))
        write(directory / "skill.json", text_of("file_skill.json", home))
        for name in ("AGENTS.md", "SOUL.md", "PROFILE.md", "MEMORY.md", "HEARTBEAT.md"):
            write(directory / name, f"# {name}\n\nWritten by {agent}.\r\n")
        chats = [CHAT] if agent == "default" else []
        write(directory / "chats.json", json.dumps({"version": 1, "chats": chats}, indent=2))
    for name, content in SECRETS.items():
        write(home / "copaw.secret" / name, json.dumps(content, indent=2))
    write(working / "workspaces" / "default" / SESSION_FILE, json.dumps(SESSION, ensure_ascii=False))
    write(working / "workspaces" / "default" / "memory" / "2026-11-22.md", "Remembered.\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


@dataclass
class OldHome:
    home: Path
    before: dict[str, bytes]
    server: RunningServer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def old(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OldHome]:
    home = tmp_path_factory.mktemp("home_of_1_0_2")
    await asyncio.to_thread(make_home, home)
    before = contents(home)
    async with running_server(home) as running:
        yield OldHome(home, before, running)


async def test_the_agents_and_their_settings_read_as_1_0_2_answered_them(old: OldHome) -> None:
    answers = {
        "/agents": "agents.json",
        "/agent/running-config": "running_config.json",
        "/agent/system-prompt-files": "system_prompt_files.json",
        "/config/channels": "channels.json",
        "/config/channels/types": "channel_types.json",
        "/agent/language": "agent_language.json",
        "/agents/default": "agent_default.json",
        "/agent/": "agent_root.json",
        "/agent/health": "agent_health.json",
        "/models/active": "models_active.json",
        "/auth/status": "auth_status.json",
        "/config/heartbeat": "heartbeat.json",
        "/config/agents/llm-routing": "llm_routing.json",
        "/config/user-timezone": "timezone.json",
        "/console/push-messages": "push_messages.json",
        "/mcp": "mcp.json",
        "/settings/language": "settings_language.json",
        "/token-usage": "token_usage.json",
    }
    for path, name in answers.items():
        wanted, found = sample(name, old.home), await old.server.call("GET", path)
        assert missing(wanted, found) == [], path


@pytest.mark.parametrize(("path", "name"), [("/models", "models.json"), ("/tools", "tools.json")])
async def test_what_1_0_2_offered_comes_first_and_in_its_order(old: OldHome, path: str, name: str) -> None:
    wanted, found = sample(name, old.home), await old.server.call("GET", path)
    for provider in wanted:
        if provider.get("id") == "openai":  # its key is in this home
            del provider["api_key"]
    assert [missing(*both) for both in zip(wanted, found, strict=False)] == [[]] * len(wanted)


def missing(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where ``found`` has not what ``wanted`` has; it may have more fields."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            fault
            for key, value in wanted.items()
            for fault in (missing(value, found[key], f"{path}.{key}") if key in found else [f"{path}.{key}: missing"])
        ]
    return (
        []
        if wanted == found or (isinstance(wanted, list) and _lists_agree(wanted, found))
        else [f"{path}: {wanted!r} != {found!r}"]
    )


def _lists_agree(wanted: list[Any], found: Any) -> bool:
    return isinstance(found, list) and len(wanted) == len(found) and not any(map(missing, wanted, found))


async def test_the_chats_and_their_history_are_there(old: OldHome) -> None:
    (chat,) = await old.server.call("GET", "/chats")
    assert chat == CHAT
    history = await old.server.call("GET", f"/chats/{CHAT['id']}")
    assert history["status"] == "idle"
    told = [(one["type"], one["role"]) for one in history["messages"]]
    assert told == [
        ("message", "user"),
        ("reasoning", "assistant"),
        ("plugin_call", "assistant"),
        ("plugin_call_output", "tool"),
        ("message", "assistant"),
    ]
    user, thought, call, result, answer = (one["content"][0] for one in history["messages"])
    assert (user["text"], thought["text"], answer["text"]) == ("What is the weather?", "I shall look.", "It is fine.")
    assert call["data"] == {"call_id": "call_1", "name": "look", "arguments": '{"at": "sky"}'}
    assert json.loads(result["data"]["output"]) == [{"type": "text", "text": "blue"}]
    metadata = history["messages"][0]["metadata"]
    assert (metadata["original_id"], metadata["original_name"]) == (ENTRIES[0][0]["id"], "user")
    assert await old.server.call("GET", "/chats", agent_id=QA) == []


async def test_the_files_of_the_workspace_are_there(old: OldHome) -> None:
    listed = {one["filename"] for one in await old.server.call("GET", "/agent/files")}
    assert listed >= {"AGENTS.md", "SOUL.md", "PROFILE.md"}
    soul = await old.server.call("GET", "/agent/files/SOUL.md")
    assert soul["content"] == "# SOUL.md\n\nWritten by default.\r\n"
    memory = await old.server.call("GET", "/agent/memory/2026-11-22.md")
    assert memory["content"] == "Remembered.\n"


async def test_the_jobs_are_there_and_run(old: OldHome) -> None:
    assert missing([JOB], await old.server.call("GET", "/cron/jobs")) == []
    state = await old.server.call("GET", f"/cron/jobs/{JOB['id']}/state")
    assert state["next_run_at"].endswith("-01-01T01:00:00Z")
    await old.server.call("POST", f"/cron/jobs/{JOB['id']}/run")

    async def has_run() -> bool:
        found = await old.server.call("GET", f"/cron/jobs/{JOB['id']}/state")
        return found["last_status"] == "success"

    await wait_until(has_run)
    await old.server.call("POST", f"/cron/jobs/{JOB['id']}/pause")


async def test_the_keys_and_variables_are_there_and_not_told(old: OldHome) -> None:
    providers = {one["id"]: one for one in await old.server.call("GET", "/models")}
    shown = providers["openai"]["api_key"]
    assert (shown[:3], shown[-2:], SECRET in json.dumps(providers)) == ("sk-", "ef", False)
    assert await old.server.call("GET", "/envs") == [{"key": "SOME_KEY", "value": "value"}]
    assert SECRET not in old.server.log


async def test_the_doctor_finds_nothing_broken_but_what_this_test_wrote_for_everybody(old: OldHome) -> None:
    findings = json.loads((await old.server.cli("doctor", "--json")).stdout)["findings"]
    broken = [one for one in findings if one["level"] == "error"]
    assert [one["check"] for one in broken] == ["permissions"], broken


async def test_a_chat_goes_on_and_nothing_else_of_the_home_changes(old: OldHome) -> None:
    """The last of this module: it ends the server."""
    who = {"session_id": CHAT["session_id"], "user_id": CHAT["user_id"], "channel": CHAT["channel"]}
    assert await old.server.ask("say and warm", **who) == "and warm"
    chat = next(one for one in await old.server.call("GET", "/chats") if one["id"] == CHAT["id"])
    assert {**chat, "updated_at": CHAT["updated_at"]} == CHAT
    assert chat["updated_at"] > CHAT["updated_at"]
    old.server.terminate()
    assert await old.server.wait_ended() == 0
    after = contents(old.home)
    changed = {name for name, content in old.before.items() if after.get(name) != content}
    session = f"copaw/workspaces/default/{SESSION_FILE}"
    assert changed == {session, "copaw/workspaces/default/chats.json"}
    run_time = {"copaw.log", "runtime.json", "copaw.db", "copaw.lock"}
    of_the_job = {"workspace.lock", "cron_state.json", "sessions/default_console--1763822000001.json"}
    assert set(after) - set(old.before) <= {
        "server.log",
        *(f"copaw/{name}" for name in run_time),
        *(f"copaw/workspaces/default/{name}" for name in of_the_job),
        f"copaw/workspaces/{QA}/workspace.lock",
    }
    document = json.loads(after[session])
    memory = document["agent"]["memory"]
    assert memory["content"][: len(ENTRIES)] == ENTRIES
    assert [one["content"][0]["text"] for one, _ in memory["content"][len(ENTRIES) :]] == ["say and warm", "and warm"]
    assert (memory["_compressed_summary"], memory["of_a_plugin"]) == ("Before: greetings.", 1)
    assert document["of_another"] == {"kept": True}
    chats = json.loads(after["copaw/workspaces/default/chats.json"])
    assert (chats["version"], chats["chats"][0]["meta"]) == (1, {"of": "1.0.2"})
    for name, schema in SCHEMAS.items():
        file = name if name == "config.json" else f"workspaces/default/{name}"
        jsonschema.validate(json.loads(after[f"copaw/{file}"]), schema)
