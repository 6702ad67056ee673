"""Turns of the real engine on the demo model: what is kept, what is said, and why a run ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from copaw.app.runner.task_tracker import Run
from copaw.app.services import Services, open_services
from copaw.errors import EndReason, SessionBusy
from copaw.testing.home import fresh_home, request


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield services


def session_file(services: Services, session_id: str = "s", user_id: str = "u") -> Path:
    return services.generations.files("default").sessions_dir / f"{user_id}_{session_id}.json"


def session(services: Services, session_id: str = "s") -> list[dict[str, Any]]:
    stored = json.loads(session_file(services, session_id).read_text())
    return [message for message, _marks in stored["agent"]["memory"]["content"]]


async def until(run: Run, kind: str, status: str = "in_progress") -> dict[str, Any]:
    async for event in run.follow():
        if event.payload.get("type") == kind and event.payload["status"] == status:
            return event.payload
    raise AssertionError(f"the run ended without {kind}")


def answer(response: dict[str, Any]) -> str:
    assert response["status"] == "completed", response["error"]
    return "".join(item["text"] for item in response["output"][-1]["content"])


async def test_a_turn_with_tools_ends_with_the_whole_output(services: Services) -> None:
    text = 'call execute_shell_command {"command": "echo one"}\nsay got {1}'
    run = await services.runner.start(request(text), "default", kind="stream")
    response = await run.wait_end()
    assert answer(response) == "got one"
    assert [message["type"] for message in response["output"]] == ["plugin_call", "plugin_call_output", "message"]
    assert response["usage"]["output_tokens"] > 0
    kinds = [[block["type"] for block in message["content"]] for message in session(services)]
    assert kinds == [["text"], ["tool_use"], ["tool_result"], ["text"]]


async def test_who_listens_has_the_first_event_before_files_are_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await services.runner.start(request("say hi"), "default", kind="stream")
    first = asyncio.ensure_future(anext(run.follow()))
    heard, to_thread = [], asyncio.to_thread

    def spy(work: Callable[..., Any], *args: Any) -> Coroutine[Any, Any, Any]:
        if "load" in work.__qualname__:
            heard.append(first.done())
        return to_thread(work, *args)

    monkeypatch.setattr(asyncio, "to_thread", spy)
    await run.wait_end()
    assert heard == [True]


async def test_the_users_message_is_on_disk_before_the_model_answers(services: Services) -> None:
    run = await services.runner.start(request("delay 30\nsay later"), "default", kind="stream")
    await until(run, "text")
    assert [message["role"] for message in session(services)] == ["user"]
    run.stop(EndReason.USER_STOP)
    await run.wait_end()


async def test_a_finished_step_is_on_disk_while_the_next_one_runs(services: Services) -> None:
    text = 'call execute_shell_command {"command": "echo one"}\ncall execute_shell_command {"command": "sleep 30"}'
    run = await services.runner.start(request(text), "default", kind="stream")
    await until(run, "plugin_call_output", "completed")
    async for event in run.follow(len(run.events) - 1):
        if event.payload.get("type") == "plugin_call" and event.payload["status"] == "completed":
            break
    stored = session(services)
    assert stored[2]["content"][0]["output"] == [{"type": "text", "text": "one"}]
    run.stop(EndReason.USER_STOP)
    await run.wait_end()


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason is not EndReason.USER_STOP])
async def test_a_tool_call_that_is_cut_short_names_the_true_cause(services: Services, reason: EndReason) -> None:
    text = 'call execute_shell_command {"command": "sleep 60"}'
    run = await services.runner.start(request(text), "default", kind="task")
    await until(run, "plugin_call", "completed")
    run.stop(reason)
    response = await run.wait_end()
    assert response["status"] == "failed"
    assert response["error"]["reason"] == reason
    note = session(services)[-1]["content"][0]
    assert note["type"] == "tool_result"
    assert note["output"][0]["text"] == f"[{reason.sentence}]"
    assert "by the user" not in session_file(services).read_text()


async def test_a_stop_in_mid_answer_keeps_what_was_said(services: Services) -> None:
    run = await services.runner.start(request("delay 0.05\ntokens 500"), "default", kind="console")
    message = await until(run, "text")
    run.stop(EndReason.USER_STOP)
    response = await run.wait_end()
    assert response["error"]["reason"] == "user_stop"
    said, note = session(services)[-1]["content"]
    assert said["text"].startswith(message["text"])
    assert note["text"] == "[Stopped by the user.]"
    assert [item["status"] for item in response["output"]] == ["completed"]


async def test_after_a_cut_the_session_goes_on(services: Services) -> None:
    run = await services.runner.start(
        request('call execute_shell_command {"command": "sleep 60"}'), "default", kind="task"
    )
    await until(run, "plugin_call", "completed")
    run.stop(EndReason.TIMEOUT)
    await run.wait_end()
    run = await services.runner.start(
        request(
            "say on we go",
        ),
        "default",
        kind="stream",
        wait_for_session=True,
    )
    assert answer(await run.wait_end()) == "on we go"


async def test_a_busy_session_is_refused_or_waited_for(services: Services) -> None:
    first = await services.runner.start(request("delay 0.05\ntokens 20"), "default", kind="stream")
    await until(first, "text")
    with pytest.raises(SessionBusy, match="already running"):
        await services.runner.start(request("say no"), "default", kind="stream")
    waiting = await services.runner.start(request("say yes"), "default", kind="task", wait_for_session=True)
    assert answer(await waiting.wait_end()) == "yes"
    assert [message["role"] for message in session(services)] == ["user", "assistant", "user", "assistant"]
    assert first.status.terminal


@pytest.mark.parametrize(
    "damage", [b"", b'{"agent": {"memo', b"[]", b"\xff\xfe{", b'{"agent": {"memory": {"content": [1]}}}']
)
async def test_a_damaged_session_is_set_aside_reported_and_the_user_goes_on(services: Services, damage: bytes) -> None:
    path = session_file(services)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(damage)
    run = await services.runner.start(request("say still here"), "default", kind="stream")
    assert answer(await run.wait_end()) == "still here"
    kept = [other for other in path.parent.iterdir() if other != path]
    assert [other.read_bytes() for other in kept] == [damage]
    assert "damaged" in services.push.consume("s")[0]["text"]
    assert len(session(services)) == 2


async def test_unknown_fields_of_a_session_survive_a_turn(services: Services) -> None:
    old = {"id": "m1", "name": "user", "role": "user", "content": "before", "metadata": None,
           "timestamp": "2026-01-01 00:00:00.000", "custom": 1}  # fmt: skip
    path = session_file(services)
    path.parent.mkdir(exist_ok=True)
    memory = {"content": [[old, ["mark"]]], "_compressed_summary": "sum", "future": 2}
    path.write_text(json.dumps({"agent": {"memory": memory, "plan": 3}, "other": 4}))
    await (await services.runner.start(request("say x"), "default", kind="stream")).wait_end()
    stored = json.loads(path.read_text())
    assert stored["agent"]["memory"]["content"][0] == [old, ["mark"]]
    assert stored["agent"]["memory"]["_compressed_summary"] == "sum"
    assert (stored["agent"]["memory"]["future"], stored["agent"]["plan"], stored["other"]) == (2, 3, 4)


async def test_a_missing_key_fails_the_turn_with_what_to_do_and_the_agent_serves_on(services: Services) -> None:
    services.providers.configure("openai", api_key="")
    await services.config.patch_agent(
        "default", lambda agent: setattr(agent, "active_model", {"provider_id": "openai", "model": "gpt-5"})
    )
    await services.manager.reload_agent("default")
    run = await services.runner.start(request("hi"), "default", kind="stream")
    response = await run.wait_end()
    assert response["error"]["code"] == "MODEL_EXECUTION_FAILED"
    assert "copaw models config-key openai" in response["error"]["message"]


async def test_two_writers_to_one_session_from_two_generations_lose_no_turn(services: Services) -> None:
    text = 'call execute_shell_command {"command": "sleep 0.3; echo first"}\nsay {1}'
    old = await services.runner.start(request(text), "default", kind="task", wait_for_session=True)
    await until(old, "plugin_call", "completed")
    await services.config.patch_agent("default", lambda agent: setattr(agent, "description", "changed"))
    await services.manager.reload_agent("default")
    new = await services.runner.start(request("say second"), "default", kind="task", wait_for_session=True)
    third = await services.runner.start(request("say third"), "default", kind="task", wait_for_session=True)
    parsed = 0
    while not third.status.terminal:
        session(services)  # It parses at any moment.
        parsed += 1
        await asyncio.sleep(0)
    assert [answer(await run.wait_end()) for run in (old, new, third)] == ["first", "second", "third"]
    assert (old.generation, new.generation, third.generation) == (1, 2, 2)
    assert parsed > 10
    said = [block["text"] for message in session(services) for block in message["content"] if block["type"] == "text"]
    assert [said[1], said[3], said[5]] == ["first", "second", "third"]
