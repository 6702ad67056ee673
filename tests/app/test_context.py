"""Whole turns of the real engine on the demo model: what becomes of a conversation that has grown long."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from copaw.agents.messages import to_msgs
from copaw.app.runner.session import SessionFiles
from copaw.app.services import Services, open_services
from copaw.ports import Json
from copaw.testing.home import fresh_home, request

WINDOW = 8000


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield services


def workspace(services: Services) -> Path:
    return services.generations.files("default").root


async def configure(services: Services, **running: Any) -> None:
    def change(profile: Any) -> None:
        profile.running = type(profile.running).model_validate({**profile.running.model_dump(), **running})

    await services.config.patch_agent("default", change)
    await services.manager.reload_agent("default")


async def ask(services: Services, text: str) -> Json:
    run = await services.runner.start(request(text), "default", kind="stream")
    return await run.wait_end()


def memory(services: Services) -> Json:
    found = json.loads((workspace(services) / "sessions" / "u_s.json").read_text())
    return found["agent"]["memory"]


def texts(content: list[Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def archived(services: Services) -> list[Json]:
    files = sorted((workspace(services) / "dialog" / "u_s").iterdir())
    return [json.loads(path.read_text())["agent"]["memory"] for path in files]


async def test_a_long_conversation_is_compacted_and_all_of_it_is_kept(services: Services) -> None:
    await configure(services, max_input_length=WINDOW)
    for number in range(12):
        response = await ask(services, f"message {number} " + "x" * 4000)
        assert response["status"] == "completed", response["error"]
    now = memory(services)
    assert len(now["content"]) < 12
    assert now["_compressed_summary"].startswith("[Notes on the earlier part of this conversation")
    assert "dialog/u_s" in now["_compressed_summary"]
    everything = texts([*(entry for one in archived(services) for entry in one["content"]), *now["content"]])
    assert [f"message {number} x" in everything for number in range(12)] == [True] * 12
    assert "message 11 x" in texts(now["content"])


async def test_a_session_does_not_grow_with_its_conversation(services: Services) -> None:
    await configure(services, max_input_length=WINDOW)
    sizes = []
    for number in range(60):
        await ask(services, f"say {number}\n" + "x" * 2000)
        sizes.append((workspace(services) / "sessions" / "u_s.json").stat().st_size)
    assert max(sizes) < WINDOW * 4 * 1.5
    assert max(sizes[30:]) <= max(sizes[:30])


async def test_a_kept_file_is_a_session_that_can_be_used_again(services: Services) -> None:
    await configure(services, max_input_length=WINDOW)
    for number in range(8):
        await ask(services, f"message {number} " + "x" * 4000)
    (first, *_) = sorted((workspace(services) / "dialog" / "u_s").iterdir())
    state = await asyncio.to_thread(SessionFiles(workspace(services) / "sessions").load, first)
    assert state.set_aside is None
    assert state.content[0][0]["content"][0]["text"].startswith("message 0")


async def test_switched_off_a_conversation_grows(services: Services) -> None:
    await configure(services, max_input_length=WINDOW, context_compact={"context_compact_enabled": False})
    for number in range(8):
        await ask(services, f"message {number} " + "x" * 4000)
    assert len(memory(services)["content"]) == 16
    assert not (workspace(services) / "dialog").exists()


async def test_a_long_result_is_whole_in_a_file_that_the_agent_can_read(services: Services) -> None:
    await configure(services, tool_result_compact={"recent_n": 1, "recent_max_bytes": 1000, "old_max_bytes": 200})
    command = 'call execute_shell_command {"command": "seq 1 2000"}'
    response = await ask(services, command)
    shown = [message for message in response["output"] if message["type"] == "plugin_call_output"]
    assert "\\n1000\\n" in shown[0]["content"][0]["data"]["output"]
    (stored,) = (workspace(services) / "tool_results").iterdir()
    assert "\n1000\n" in stored.read_text()
    (block,) = [block for message, _ in memory(services)["content"] for block in message["content"]
                if block["type"] == "tool_result"]  # fmt: skip
    (part,) = block["output"]
    assert len(part["text"].encode()) <= 1000
    assert f"tool_results/{stored.name}" in part["text"]
    await ask(services, command)
    sizes = [len(block["output"][0]["text"].encode()) for message, _ in memory(services)["content"]
             for block in message["content"] if block["type"] == "tool_result"]  # fmt: skip
    assert sizes[0] <= 200
    assert 200 < sizes[1] <= 1000
    read = await ask(
        services, f'call read_file {{"file_path": "tool_results/{stored.name}", "start_line": 999, "end_line": 1001}}'
    )
    assert "1000" in read["output"][1]["content"][0]["data"]["output"]


async def test_old_results_are_deleted_when_their_days_are_over(services: Services) -> None:
    await configure(services, tool_result_compact={"retention_days": 2})
    kept = workspace(services) / "tool_results"
    kept.mkdir()
    old, young = (f"2026010{day}T093000.000000Z-0123abcd.txt" for day in (1, 3))
    for name, days in ((old, 3), (young, 1), ("mine.txt", 99)):
        (kept / name).write_text("x")
        os.utime(kept / name, (time.time() - days * 86400,) * 2)
    await ask(services, "hello")
    assert sorted(path.name for path in kept.iterdir()) == [young, "mine.txt"]


async def test_fields_of_a_message_that_this_version_does_not_know_survive_a_shortening(services: Services) -> None:
    await configure(services, tool_result_compact={"recent_n": 1, "recent_max_bytes": 1000, "old_max_bytes": 200})
    path = workspace(services) / "sessions" / "u_s.json"
    message = to_msgs([{"role": "user", "content": [{"type": "text", "text": "earlier"}]}])[0].to_dict()
    call = {
        **message,
        "id": "1",
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "c", "name": "t", "input": {}}],
    }
    block = {"type": "tool_result", "id": "c", "name": "t", "output": "r" * 5000, "also": 2}
    result = {**message, "id": "2", "role": "system", "future": 1, "content": [block]}
    content = [[message, []], [call, []], [result, ["mine"]]]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"agent": {"memory": {"content": content}}, "other": 3}))
    await ask(services, "hello")
    stored = json.loads(path.read_text())
    kept, marks = stored["agent"]["memory"]["content"][2]
    assert (stored["other"], kept["future"], kept["content"][0]["also"], marks) == (3, 1, 2, ["mine"])
    assert isinstance(kept["content"][0]["output"], str)
    assert len(kept["content"][0]["output"]) <= 1000
