"""Tools of MCP servers over reloads and failures: no call is cut, no process is left, no bad server harms another."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from copaw.testing.mcp_servers import HttpMcpServer, http_config, running_http_server, stdio_config
from copaw.testing.server import RunningServer, answer_of, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def http_mcp() -> AsyncIterator[HttpMcpServer]:
    async with running_http_server() as running:
        yield running


async def client(server: RunningServer, agent: str, key: str) -> dict[str, Any]:
    return await server.call("GET", f"/mcp/{key}", agent_id=agent)


async def wait_status(server: RunningServer, agent: str, key: str, status: str = "ready") -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def reached() -> bool:
        nonlocal found
        found = await client(server, agent, key)
        return found["status"] == status

    await wait_until(reached, what=lambda: json.dumps(found))
    return found


async def add(server: RunningServer, agent: str, key: str, config: dict[str, Any], status: str = "ready") -> None:
    await server.call("POST", "/mcp", {"client_key": key, "client": config}, status=201, agent_id=agent)
    await server.settled(agent)
    await wait_status(server, agent, key, status)


def script(tool: str, **arguments: Any) -> str:
    return f"call {tool} {json.dumps(arguments)}\nsay {{1}}"


async def ask(server: RunningServer, agent: str, tool: str, **arguments: Any) -> str:
    return await server.ask(script(tool, **arguments), agent_id=agent, session_id=f"{tool}-{os.urandom(4).hex()}")


async def reload(server: RunningServer, agent: str) -> int:
    running = await server.call("GET", "/agent/running-config", agent_id=agent)
    changed = {**running, "max_iters": running["max_iters"] + 1}
    await server.call("PUT", "/agent/running-config", changed, agent_id=agent)
    return await server.settled(agent)


async def task_result(server: RunningServer, agent: str, task_id: str) -> dict[str, Any]:
    status: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal status
        status = await server.call("GET", f"/agent/process/task/{task_id}", agent_id=agent)
        return status["status"] == "finished"

    await wait_until(ended, what=lambda: str(status), within_s=40)
    return status["result"]


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_tools_of_both_transports_are_called_and_told_apart_from_built_in_ones(
    server: RunningServer, agent: str, http_mcp: HttpMcpServer
) -> None:
    await add(server, agent, "local", stdio_config())
    await add(server, agent, "remote", http_config(http_mcp.url))
    text = "\n".join(
        (
            'call echo {"text": "from-stdio"}',
            'call remote_echo {"text": "from-http"}',
            "call get_current_time {}",
            "say {1} {2}",
        )
    )
    events = await server.events(message(text, session_id="both", user_id="u"), agent_id=agent)
    assert answer_of(events[-1]) == "from-stdio from-http"
    expected = ["mcp_call", "mcp_call_output"] * 2 + ["plugin_call", "plugin_call_output", "message"]
    assert [one["type"] for one in events[-1]["output"]] == expected
    (chat,) = await server.call("GET", "/chats", agent_id=agent) or [None]
    history = await server.call("GET", f"/chats/{chat['id']}", agent_id=agent)
    assert [one["type"] for one in history["messages"]] == ["message", *expected]


async def test_pictures_resources_and_errors_of_tools_reach_the_model(server: RunningServer, agent: str) -> None:
    await add(server, agent, "local", stdio_config())
    events = await server.events(message("call image {}\nsay {1}", session_id="i"), agent_id=agent)
    assert "one pixel" in answer_of(events[-1])
    output = json.loads(events[-1]["output"][1]["content"][0]["data"]["output"])
    assert [block["type"] for block in output] == ["text", "image"]
    assert output[1]["source"]["media_type"] == "image/png"
    told = await ask(server, agent, "resource")
    assert "[Resource note://one]\nthe note" in told
    assert "[Resource two <note://two>]" in told
    assert "it was asked to" in await ask(server, agent, "fail")


async def test_ten_tasks_inside_slow_calls_survive_three_rounds_of_four_changes(
    server: RunningServer, agent: str, http_mcp: HttpMcpServer
) -> None:
    await add(server, agent, "local", stdio_config())
    await add(server, agent, "remote", http_config(http_mcp.url))
    pids = [await ask(server, agent, tool) for tool in ("pid", "remote_pid")]
    tasks = []
    for number in range(10):
        tool = "slow" if number % 2 else "remote_slow"
        text = script(tool, seconds=6, text=f"task-{number}")
        body = message(text, session_id=f"t{number}")
        tasks.append((await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"])

    async def all_inside() -> bool:
        return [(await client(server, agent, key))["calls"] for key in ("local", "remote")] == [5, 5]

    await wait_until(all_inside)
    generation = (await server.lifecycle(agent))["generation"]
    for number in range(3):
        running = await server.call("GET", "/agent/running-config", agent_id=agent)
        await server.call("PUT", "/agent/running-config", {**running, "max_iters": 60 + number}, agent_id=agent)
        await server.call(
            "PUT", "/agent/system-prompt-files", ["AGENTS.md", "SOUL.md"][: 1 + number % 2], agent_id=agent
        )
        await server.call("PUT", "/config/channels/console", {"bot_prefix": f"p{number}"}, agent_id=agent)
        await server.call("PUT", "/mcp/local", {"description": f"d{number}"}, agent_id=agent)
        await server.settled(agent)
    assert (await server.lifecycle(agent))["generation"] >= generation + 3
    results = [answer_of(await task_result(server, agent, task_id)) for task_id in tasks]
    assert results == [f"task-{number}" for number in range(10)]
    assert [await ask(server, agent, tool) for tool in ("pid", "remote_pid")] == pids
    assert [(await client(server, agent, key))["sessions"] for key in ("local", "remote")] == [1, 1]


async def test_a_changed_client_serves_new_runs_while_running_calls_end_on_the_old_one(
    server: RunningServer, agent: str
) -> None:
    await add(server, agent, "local", stdio_config(env={"MARK": "one"}))
    old = int(await ask(server, agent, "pid"))
    body = message(script("slow", seconds=4, text="finished"), session_id="slow")
    task_id = (await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"]
    await wait_until(lambda: _calls(server, agent))
    await server.call("PUT", "/mcp/local", {"env": {"MARK": "two"}}, agent_id=agent)
    await server.settled(agent)
    await wait_status(server, agent, "local")
    assert await ask(server, agent, "environment", name="MARK") == "two"
    assert alive(old)
    assert answer_of(await task_result(server, agent, task_id)) == "finished"
    await wait_until(lambda: not alive(old))


async def _calls(server: RunningServer, agent: str) -> bool:
    return (await client(server, agent, "local"))["calls"] == 1


async def reloads_leave_nothing(server: RunningServer, agent: str, http: HttpMcpServer, count: int) -> None:
    await add(server, agent, "local", stdio_config())
    await add(server, agent, "remote", http_config(http.url))
    process = psutil.Process(server.pid)
    pids = [await ask(server, agent, tool) for tool in ("pid", "remote_pid")]
    before, memory = len(process.children()), 0.0
    for number in range(count):
        await reload(server, agent)
        if number % 20 == 0:
            assert [await ask(server, agent, tool) for tool in ("pid", "remote_pid")] == pids
            assert len(process.children()) == before == 1
        if number == count // 4:
            memory = process.memory_info().rss
    await server.drained(agent)
    grown = (process.memory_info().rss - memory) / 1e6
    times = process.cpu_times()
    await asyncio.sleep(0)
    idle_s = 10.0 if count >= 100 else 2.0
    await asyncio.get_running_loop().run_in_executor(None, lambda: __import__("time").sleep(idle_s))
    after = process.cpu_times()
    used = after.user + after.system - times.user - times.system
    print(f"{count} reloads: children {len(process.children())}, idle {used / idle_s:.2%}, memory +{grown:.1f} MB")
    assert len(process.children()) == 1
    assert used / idle_s < 0.02
    assert grown < 25
    assert "cancel scope" not in server.log
    assert [await ask(server, agent, tool) for tool in ("pid", "remote_pid")] == pids


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_two_hundred_reloads_leave_one_child_and_an_idle_loop(
    own_server: RunningServer, http_mcp: HttpMcpServer
) -> None:
    await reloads_leave_nothing(own_server, "default", http_mcp, 200)


async def test_reloads_leave_one_child_and_an_idle_loop(own_server: RunningServer, http_mcp: HttpMcpServer) -> None:
    await reloads_leave_nothing(own_server, "default", http_mcp, 10)


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server of the test's own, on the demo model."""
    async with running_server(tmp_path) as running:
        yield running


async def test_a_server_that_is_killed_under_a_call_fails_that_call_and_comes_back(
    server: RunningServer, agent: str, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    await add(server, agent, "local", stdio_config("--record", str(record)))
    pid = int(await ask(server, agent, "pid"))
    body = message(script("slow", seconds=60, text="never"), session_id="slow")
    task_id = (await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"]
    await wait_until(lambda: record.exists() and "begin never" in record.read_text())
    os.kill(pid, signal.SIGKILL)
    assert "slow failed: " in answer_of(await task_result(server, agent, task_id))
    assert await ask(server, agent, "echo", text="back") == "back"
    assert record.read_text().count("begin never") == 1, "a call that may have run was repeated"
    assert int(await ask(server, agent, "pid")) != pid


async def test_only_a_tool_that_says_it_is_idempotent_is_called_again(
    server: RunningServer, agent: str, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    await add(server, agent, "local", stdio_config("--record", str(record)))
    pid = int(await ask(server, agent, "pid"))
    body = message(script("safe_slow", seconds=1, text="twice"), session_id="slow")
    task_id = (await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"]
    await wait_until(lambda: record.exists() and "begin twice" in record.read_text())
    os.kill(pid, signal.SIGKILL)
    assert answer_of(await task_result(server, agent, task_id)) == "twice"
    assert record.read_text().count("begin twice") == 2


async def test_an_http_server_that_was_restarted_is_found_again(server: RunningServer, agent: str) -> None:
    async with running_http_server() as first:
        await add(server, agent, "remote", http_config(first.url))
        pid = await ask(server, agent, "pid")
        body = message(script("slow", seconds=60), session_id="slow")
        task_id = (await server.call("POST", "/agent/process/task", body, agent_id=agent))["task_id"]
        await asyncio.sleep(0)
        await wait_until(lambda: _remote_calls(server, agent))
        await first.kill()
        assert "slow failed: " in answer_of(await task_result(server, agent, task_id))
        port = first.port
    assert "echo failed: The MCP server 'test-http' is not connected" in await ask(server, agent, "echo", text="no")
    async with running_http_server(port=port):
        assert await ask(server, agent, "echo", text="again") == "again"
        assert await ask(server, agent, "pid") != pid


async def test_a_session_that_the_restarted_server_does_not_know_is_replaced(server: RunningServer, agent: str) -> None:
    async with running_http_server() as first:
        await add(server, agent, "remote", http_config(first.url))
        await first.kill()
        port = first.port
    async with running_http_server(port=port):
        # The server refuses the old session unseen, so the call is sent once more on a new one.
        assert await ask(server, agent, "echo", text="again") == "again"


async def _remote_calls(server: RunningServer, agent: str) -> bool:
    return (await client(server, agent, "remote"))["calls"] == 1


async def test_a_port_that_never_answers_delays_nobody_for_long(server: RunningServer, agent: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        await add(server, agent, "good", stdio_config())
        loop = asyncio.get_running_loop()
        began = loop.time()
        config = http_config(url, connect_timeout_seconds=8)
        await server.call("POST", "/mcp", {"client_key": "silent", "client": config}, status=201, agent_id=agent)
        await server.settled(agent)
        assert loop.time() - began < 7
        assert await ask(server, agent, "echo", text="good") == "good"
        assert (await client(server, agent, "silent"))["status"] == "connecting"
        found = await wait_status(server, agent, "silent", "failed")
        assert found["last_error"] == "There was no answer within 8 s."
        tools = await server.call("GET", "/mcp/silent/tools", status=503, agent_id=agent)
        assert "no answer within 8 s" in tools["detail"]


def command(process: psutil.Process) -> list[str]:
    """Its command line; empty once it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def test_closing_while_connecting_leaves_nothing(server: RunningServer, agent: str) -> None:
    def sleepers() -> list[psutil.Process]:
        return [child for child in psutil.Process(server.pid).children(recursive=True) if "987.65" in command(child)]

    config = stdio_config()
    config |= {"command": "sleep", "args": ["987.65"], "connect_timeout_seconds": 100}
    await server.call("POST", "/mcp", {"client_key": "mute", "client": config}, status=201, agent_id=agent)
    await wait_until(lambda: len(sleepers()) == 2)  # the server and its guard
    started = sleepers()
    await server.call("DELETE", "/mcp/mute", agent_id=agent)
    await server.settled(agent)
    await server.drained(agent)
    await wait_until(lambda: not any(process.is_running() for process in started))  # a zombie counts as running
    assert "cancel scope" not in server.log


async def test_garbage_between_messages_is_ignored(server: RunningServer, agent: str) -> None:
    await add(server, agent, "local", stdio_config("--garbage"))
    assert await ask(server, agent, "chatty") == "answered"
    assert await ask(server, agent, "echo", text="fine") == "fine"


async def test_nothing_but_garbage_is_an_error_that_shows_it(server: RunningServer, agent: str) -> None:
    await add(server, agent, "bad", stdio_config("--only-garbage", connect_timeout_seconds=3), status="failed")
    found = await client(server, agent, "bad")
    assert "1000 lines that are no JSON-RPC, first: 'garbage 0'" in found["last_error"]
    assert "It wrote to stderr: starting up" in found["last_error"]


async def test_a_command_that_does_not_exist_harms_only_its_own_client(server: RunningServer, agent: str) -> None:
    config = {**stdio_config(), "command": "no-such-command"}
    await add(server, agent, "bad", config, status="failed")
    await add(server, agent, "variable", stdio_config(env={"KEY": "${NOT_SET_ANYWHERE}"}), status="failed")
    await add(server, agent, "good", stdio_config())
    assert await ask(server, agent, "echo", text="good") == "good"
    assert "'no-such-command' was not found" in (await client(server, agent, "bad"))["last_error"]
    assert "NOT_SET_ANYWHERE is not set" in (await client(server, agent, "variable"))["last_error"]


async def test_five_hundred_tools_are_offered_and_called(server: RunningServer, agent: str) -> None:
    await add(server, agent, "many", stdio_config("--tools", "500"))
    assert (await client(server, agent, "many"))["tool_count"] == 511
    assert await ask(server, agent, "tool-499") == "number 499"


async def test_a_result_of_fifty_megabytes_is_cut_for_the_model_and_kept_whole(
    server: RunningServer, agent: str
) -> None:
    await add(server, agent, "local", stdio_config())
    answer = await ask(server, agent, "big", megabytes=50)
    assert len(answer) < 70_000
    assert "The result has 47.7 MiB and is too long to show." in answer
    # What the model is shown of it may be shortened in its turn, and is kept too.
    kept = max((server.workspace(agent) / "tool_results").iterdir(), key=lambda file: file.stat().st_size)
    assert kept.stat().st_size == 50_000_008
    assert kept.name in answer
    assert (await server.http.get("/healthz")).status_code == 200


async def test_a_stopped_run_cancels_its_call_at_the_server_and_nobody_elses(
    server: RunningServer, agent: str, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    await add(server, agent, "local", stdio_config("--record", str(record)))
    other = asyncio.create_task(ask(server, agent, "slow", seconds=3, text="other"))
    who = {"session_id": "stop", "user_id": "u", "channel": "console"}
    text = script("slow", seconds=60, text="stopped")
    async with server.stream(message(text, **who), path="/console/chat", agent_id=agent) as stream:
        await wait_until(lambda: record.exists() and "begin stopped" in record.read_text())
        chats = await server.call("GET", "/chats", agent_id=agent)
        chat = next(one for one in chats if one["session_id"] == "stop")
        await server.call("POST", f"/console/chat/stop?chat_id={chat['id']}", agent_id=agent)
        await stream.rest()
    await wait_until(lambda: "cancelled stopped" in record.read_text())
    assert await other == "other"
    assert (await client(server, agent, "local"))["sessions"] == 1


async def test_children_and_their_children_die_with_the_server_even_if_it_is_killed(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        await add(server, "default", "local", stdio_config())
        pids = [int(await ask(server, "default", tool)) for tool in ("pid", "spawn")]
        assert all(map(alive, pids))
        server.process.kill()
        await server.process.wait()
        await wait_until(lambda: not any(map(alive, pids)), within_s=8)


async def test_agents_that_agree_on_a_client_share_it_unless_it_says_no(
    server: RunningServer, agent: str, http_mcp: HttpMcpServer
) -> None:
    other = (await server.call("POST", "/agents", {"name": "Another"}, status=201))["id"]
    await server.settled(other)
    for one in (agent, other):
        await add(server, one, "shared", stdio_config())
        await add(server, one, "own", stdio_config(share=False))
    pids = [[await ask(server, one, tool) for tool in ("pid", "own_pid")] for one in (agent, other)]
    assert pids[0][0] == pids[1][0]
    assert pids[0][1] != pids[1][1]
    await server.call("DELETE", f"/agents/{other}")
    await wait_until(lambda: not alive(int(pids[1][1])))
    assert await ask(server, agent, "pid") == pids[0][0]


async def test_secrets_are_masked_and_a_masked_one_that_is_sent_back_keeps_the_stored_one(
    server: RunningServer, agent: str
) -> None:
    secret = "sk-0123456789abcdefghij"
    await add(server, agent, "local", stdio_config(env={"KEY": secret, "OLD": "x", "REF": "${HOME}"}))
    found = await client(server, agent, "local")
    assert secret not in json.dumps(found)
    assert found["env"]["REF"] == "${HOME}"
    await server.call("PUT", "/mcp/local", {"env": {"KEY": found["env"]["KEY"]}}, agent_id=agent)
    await server.settled(agent)
    await wait_status(server, agent, "local")
    assert await ask(server, agent, "environment", name="KEY") == secret
    assert await ask(server, agent, "environment", name="OLD") == "(not set)"


async def test_copaw_offers_its_agents_over_stdio_and_http_to_mcp_clients(server: RunningServer, agent: str) -> None:
    """An agent that has copaw itself as an MCP server, over both transports."""
    environ = {name: server.environ[name] for name in ("COPAW_WORKING_DIR", "COPAW_SECRET_DIR")}
    serve = ["-m", "copaw", "mcp", "serve", "--base-url", server.base_url]
    await server.http.post("/mcp")  # The token is made when it is first asked for.
    await add(server, agent, "stdio", {**stdio_config(), "args": serve, "env": environ})
    await add(server, agent, "http", {**http_config(f"{server.base_url}/mcp"), "headers": local_token(server)})
    assert f'"id": "{agent}"' in await ask(server, agent, "list_agents")
    assert "Echo: hello" in await ask(server, agent, "http_chat", text="hello", agent_id=agent)
    assert "Echo: hello" in await ask(server, agent, "chat", text="hello", agent_id=agent)
    for prefix in ("", "http_"):
        task = json.loads(await ask(server, agent, f"{prefix}submit_task", text="say worked", agent_id=agent))
        ended = json.loads(await ask(server, agent, f"{prefix}wait_task", task_id=task["task_id"]))
        assert (ended["state"], ended["answer"]) == ("succeeded", "worked")
        task = json.loads(await ask(server, agent, f"{prefix}submit_task", text="hang", agent_id=agent))
        await ask(server, agent, f"{prefix}cancel_task", task_id=task["task_id"])
        ended = json.loads(await ask(server, agent, f"{prefix}wait_task", task_id=task["task_id"]))
        assert (ended["state"], ended["end_reason"]) == ("cancelled", "user_stop")
    assert "not found" in await ask(server, agent, "chat", text="hello", agent_id="nobody")


def local_token(server: RunningServer) -> dict[str, str]:
    """The header that proves access to the server's secrets."""
    token = json.loads((server.secret_dir / "local_token.json").read_text())["token"]
    return {"Authorization": f"Bearer {token}"}


async def test_the_mcp_door_is_closed_to_others(server: RunningServer) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    assert (await server.http.post("/mcp", json=body, headers=accept)).status_code == 403
    accept |= local_token(server)
    assert (await server.http.post("/mcp", json=body, headers=accept)).json()["result"] == {}
    for forged in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert (await server.http.post("/mcp", json=body, headers={**accept, **forged})).status_code in (403, 421)


async def test_the_command_line_shows_and_restarts_mcp_servers(server: RunningServer, agent: str) -> None:
    await add(server, agent, "local", stdio_config())
    listed = await server.cli("mcp", "list", "--agent-id", agent)
    assert "local  ready  11 tools" in listed.stdout
    pid = await ask(server, agent, "pid")
    renewed = await server.cli("mcp", "restart", "local", "--agent-id", agent)
    assert renewed.stdout.strip() == "local  ready  11 tools"
    assert await ask(server, agent, "pid") != pid
    assert '"name": "echo"' in (await server.cli("mcp", "tools", "local", "--agent-id", agent)).stdout
    assert (await server.cli("mcp", "restart", "none", "--agent-id", agent)).returncode == 1
