"""Calls of a tool that is set to run beside the conversation: tasks of the ledger. On the real engine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from copaw.app.background.records import CallbackState, TaskKind, TaskQuery, TaskRecord, TaskState
from copaw.app.background.tool_tasks import ToolCalls
from copaw.app.services import Services, open_services
from copaw.config.models import ChannelConfig
from copaw.errors import EndReason
from copaw.ports import Json, ToolContext
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request

AGENT = "default"
SHELL = "execute_shell_command"


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        await services.tools.set_async(AGENT, SHELL, True)
        await services.manager.reload_agent(AGENT)
        yield services


def call(tool: str, **arguments: Any) -> str:
    return f"call {tool} {json.dumps(arguments)}"


async def chat(services: Services, *lines: str, session_id: str = "s") -> Json:
    """One turn to its end; the terminal event."""
    run = await services.runner.start(request("\n".join(lines), session_id=session_id), AGENT, kind="stream")
    return await run.wait_end()


def outputs(response: Json) -> list[str]:
    """What the tools of a turn gave back."""
    results = [message for message in response["output"] if message["type"] == "plugin_call_output"]
    return [json.loads(message["content"][0]["data"]["output"])[0]["text"] for message in results]


async def tool_tasks(services: Services) -> list[TaskRecord]:
    page = await services.tasks.page(TaskQuery())
    return [await services.tasks.get(record.id) for record in page.tasks if record.kind is TaskKind.TOOL]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_the_model_gets_an_id_at_once_and_its_user_the_end(services: Services) -> None:
    response = await chat(services, call(SHELL, command="echo 42"), "say begun")
    [output] = outputs(response)
    [task] = await tool_tasks(services)
    assert f"[TASK_ID: {task.id}]" in output
    ended = await services.tasks.wait(task.id, 20)
    assert (ended.state, ended.session_id, ended.agent_id) == (TaskState.SUCCEEDED, "s", AGENT)
    await eventually(lambda: len(services.push.recent()) == 1, "the session is told")
    [told] = services.push.consume("s")
    assert told["text"] == f"Task {task.id} of tool {SHELL} has ended (succeeded). 42"
    store = await services.tasks.store()
    async with asyncio.timeout(10):
        while (recorded := await store.get(task.id)).notice_state is CallbackState.PENDING:
            pass  # It is told first, and recorded then.
    assert recorded.notice_state is CallbackState.DELIVERED


async def test_the_model_looks_after_its_calls(services: Services) -> None:
    await chat(services, call(SHELL, command="echo first"))
    await chat(services, call(SHELL, command="sleep 60"))
    slow, quick = [task.id for task in await tool_tasks(services)]
    response = await chat(
        services,
        call("wait_tool_tasks", task_ids=[slow, quick], first=True),
        call("check_tool_task", task_id=slow),
        call("cancel_tool_task", task_id=slow),
        call("wait_tool_tasks", task_ids=[slow]),
        "say done",
    )
    waited, checked, _cancelled, after = outputs(response)
    assert "[STATUS: succeeded]\nfirst" in waited
    assert f"[TASK_ID: {slow}]\n[TOOL: {SHELL}]\n[STATUS: running]" in checked
    assert "[STATUS: cancelled]" in after


async def test_bad_arguments_are_told_at_once_and_make_no_task(services: Services) -> None:
    [output] = outputs(await chat(services, call(SHELL, nonsense=1)))
    assert "there is no such argument" in output
    assert await tool_tasks(services) == []


async def test_a_failing_tool_is_a_failed_task(services: Services) -> None:
    await chat(services, call(SHELL, command="echo no; exit 3"))
    [task] = await tool_tasks(services)
    ended = await services.tasks.wait(task.id, 20)
    assert (ended.state, ended.end_reason) == (TaskState.FAILED, None)
    assert ended.result is not None
    assert ended.result["error"]["code"] == "TOOL_FAILED"


async def test_a_call_keeps_the_generation_of_its_run_and_cancelling_it_ends_its_processes(
    services: Services, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    await chat(services, call(SHELL, command=f"echo $$ > {noted}; sleep 60"))
    [task] = await tool_tasks(services)
    await eventually(lambda: noted.exists() and bool(noted.read_text().strip()), "the command runs")
    old = services.manager.slot(AGENT).current
    assert old is not None
    await services.tools.toggle(AGENT, "grep_search")
    await services.manager.reload_agent(AGENT)
    [lease] = list(old.leases)
    assert (lease.kind, lease.key) == ("task", task.id)
    await services.tasks.cancel(task.id)
    await asyncio.wait_for(old.wait_closed(), 10)
    ended = await services.tasks.wait(task.id, 20)
    assert (ended.state, ended.end_reason, ended.generation) == (TaskState.CANCELLED, "user_stop", old.generation)
    await eventually(lambda: gone(int(noted.read_text())), "the shell has ended")


async def test_a_call_from_a_draining_generation_runs_there_and_keeps_it_open(services: Services) -> None:
    old, lease = services.manager.acquire(AGENT, "stream")
    await services.tools.toggle(AGENT, "grep_search")
    await services.manager.reload_agent(AGENT)
    caller = ToolContext(AGENT, old.snapshot.files.root, session_id="s", user_id="u", hold=lease)
    task = await ToolCalls(lambda: services.tasks, lambda _agent: 60.0).begin(caller, SHELL, {"command": "sleep 60"})
    lease.release()
    [child] = list(old.leases)
    assert (child.kind, child.parent) == ("task", lease)
    await services.tasks.cancel(task.id)
    assert (await services.tasks.wait(task.id, 20)).generation == old.generation
    await asyncio.wait_for(old.wait_closed(), 10)


async def test_calls_in_the_background_are_bounded(services: Services) -> None:
    await services.config.patch_agent(AGENT, lambda profile: setattr(profile.running, "max_running_tasks", 2))
    begun = [outputs(await chat(services, call(SHELL, command="sleep 60")))[0] for _ in range(3)]
    assert "the limit is 2" in begun[2]
    for task in await tool_tasks(services):
        await services.tasks.cancel(task.id)
        await services.tasks.wait(task.id, 20)


async def test_a_tool_call_takes_no_turn_in_its_session_and_does_not_make_it_busy(services: Services) -> None:
    await chat(services, call(SHELL, command="sleep 60"))
    assert (await chat(services, "say hello"))["status"] == "completed"
    [task] = await tool_tasks(services)
    assert task.state is TaskState.RUNNING
    assert services.tasks.of_session(AGENT, "u", "s") is None
    await services.tasks.cancel(task.id, EndReason.USER_STOP)
    await services.tasks.wait(task.id, 20)


async def test_a_tool_call_can_be_asked_for_again(services: Services) -> None:
    await chat(services, call(SHELL, command="echo again"))
    [task] = await tool_tasks(services)
    await services.tasks.wait(task.id, 20)
    following = await services.tasks.retry(task.id)
    assert (await services.tasks.wait(following.id, 20)).state is TaskState.SUCCEEDED
    assert following.kind is TaskKind.TOOL


async def test_what_runs_when_the_server_goes_is_interrupted_and_told_by_the_next(tmp_path: Path) -> None:
    home = fresh_home(tmp_path)
    async with open_services(home, shutdown_grace_s=0.0) as first:
        await first.ready.wait()
        await first.tools.set_async(AGENT, SHELL, True)
        await first.manager.reload_agent(AGENT)
        await chat(first, call(SHELL, command="sleep 60"))
        [task] = await tool_tasks(first)
        assert task.state is TaskState.RUNNING
    async with open_services(home, shutdown_grace_s=0.0) as second:
        ended = await second.tasks.get(task.id)
        assert (ended.state, ended.end_reason) == (TaskState.INTERRUPTED, "server_shutdown")
        assert ended.result is not None
        assert ended.result["output"][0]["content"][0]["data"]["name"] == SHELL
        await eventually(lambda: len(second.push.recent()) == 1, "the session is told")
        assert "has ended (interrupted)" in second.push.consume("s")[0]["text"]


CHANNEL = """
import asyncio
from pathlib import Path
from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import text_of

class Paper(BaseChannel):
    channel = "paper"

    async def run(self, ready):
        ready()
        await asyncio.Event().wait()

    async def send(self, target, parts):
        await asyncio.to_thread(self.write, f"{{target.user_id}} {{target.session_id}} {{text_of(parts)}}")

    def write(self, line):
        with Path({file!r}).open("a") as paper:
            print(line, file=paper)
"""


async def test_a_channel_is_told_once_over_a_reload_and_of_what_a_restart_interrupted(tmp_path: Path) -> None:
    home, paper = fresh_home(tmp_path), tmp_path / "paper"
    channels = home.working_dir / "custom_channels"
    channels.mkdir()
    (channels / "paper.py").write_text(CHANNEL.format(file=str(paper)))
    on = ChannelConfig.model_validate({"paper": {"enabled": True}})

    def told() -> list[str]:
        return paper.read_text().splitlines() if paper.exists() else []

    async def begin(services: Services, command: str) -> TaskRecord:
        asked = request(call(SHELL, command=command), session_id="s", channel="paper")
        await (await services.runner.start(asked, AGENT, kind="channel")).wait_end()
        return (await tool_tasks(services))[0]

    async with open_services(home, shutdown_grace_s=0.0) as first:
        await first.ready.wait()
        await first.config.patch_agent(AGENT, lambda profile: setattr(profile, "channels", on))
        await first.tools.set_async(AGENT, SHELL, True)
        await first.manager.reload_agent(AGENT)
        go = tmp_path / "go"
        short = await begin(first, f"while [ ! -e {go} ]; do sleep 0.02; done")
        long = await begin(first, "sleep 60")
        await first.tools.toggle(AGENT, "grep_search")
        await first.manager.reload_agent(AGENT)
        go.touch()
        await eventually(lambda: bool(told()), "the end is told")
        assert told() == [f"u s Task {short.id} of tool {SHELL} has ended (succeeded). [exit code 0, no output]"]
    assert len(told()) == 1
    async with open_services(home, shutdown_grace_s=0.0) as second:
        await eventually(lambda: len(told()) == 2, "the next start tells what the end of the server interrupted")
        assert told()[1].startswith(f"u s Task {long.id} of tool {SHELL} has ended (interrupted).")
        async with asyncio.timeout(10):
            while (await second.tasks.get(long.id)).notice_state is CallbackState.PENDING:
                pass
    async with open_services(home, shutdown_grace_s=0.0) as third:
        await third.ready.wait()
        await (await third.tasks.store()).get(long.id)
    assert len(told()) == 2
