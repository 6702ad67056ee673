"""The real command against the real server: what scripts and skills parse."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from copaw.testing.model_server import ModelServer
from copaw.testing.server import Finished, RunningServer, message, run_command, server_environ, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SESSION = re.compile(r"(?P<from>\w+):to:(?P<to>\w+):(?P<ms>\d{13}):(?P<hex>[0-9a-f]{8})")
HEAD = re.compile(r"\A\[SESSION: (\S+)\]\n\n")


async def chat(server: RunningServer, to: str, text: str, *options: str) -> Finished:
    who = ("--from-agent", "default", "--to-agent", to)
    return await server.cli("agents", "chat", *who, "--text", text, *options)


async def last_message(model: ModelServer) -> str:
    """The text of the last user message that the model was sent."""
    body = (await model.record())["requests"][-1]
    content = [one for one in body["messages"] if one["role"] == "user"][-1]["content"]
    return content if isinstance(content, str) else "\n".join(block["text"] for block in content)


async def test_the_final_answer_comes_after_the_session_line(
    server: RunningServer, agent: str, model: ModelServer
) -> None:
    done = await chat(server, agent, "say the answer")
    assert (done.returncode, done.stderr) == (0, "")
    head = HEAD.match(done.stdout)
    assert head, done.stdout
    assert done.stdout[head.end() :] == "the answer\n"
    session = SESSION.fullmatch(head[1])
    assert session, head[1]
    assert (session["from"], session["to"]) == ("default", agent)
    assert abs(int(session["ms"]) / 1000 - time.time()) < 60
    assert await last_message(model) == "[Agent default requesting] say the answer"
    assert [one["session_id"] for one in await server.call("GET", "/chats", agent_id=agent)] == [head[1]]


@pytest.mark.parametrize("signature", ["[Agent other requesting] ", "[来自智能体 other 的请求] "])
async def test_a_signed_text_is_not_signed_again(server: RunningServer, model: ModelServer, signature: str) -> None:
    done = await chat(server, "default", f"{signature}say signed")
    assert done.stdout.endswith("\n\nsigned\n"), done
    assert await last_message(model) == f"{signature}say signed"


async def test_streaming_prints_the_answer_as_it_comes(server: RunningServer) -> None:
    script = 'think hidden\ncall execute_shell_command {"command": "echo hidden"}\nsay word by word'
    done = await chat(server, "default", script, "--mode", "stream")
    assert done.returncode == 0, done
    assert HEAD.sub("", done.stdout) == "word by word\n"


async def test_json_output_is_the_response_with_its_session(server: RunningServer) -> None:
    done = await chat(server, "default", "say as json", "--json-output")
    document = json.loads(done.stdout)
    assert (document["object"], document["status"]) == ("response", "completed")
    assert SESSION.fullmatch(document["session_id"])
    assert document["output"][-1]["content"][0]["text"] == "as json"


async def test_a_session_is_gone_on_with_or_begun_anew(server: RunningServer, agent: str) -> None:
    first = await chat(server, agent, "say one", "--session-id", "mine")
    second = await chat(server, agent, "say two", "--session-id", "mine")
    anew = await chat(server, agent, "say three", "--session-id", "mine", "--new-session")
    assert first.stdout.startswith("[SESSION: mine]\n\n")
    assert second.stdout.startswith("[SESSION: mine]\n\n")
    assert not anew.stdout.startswith("[SESSION: mine]")
    (mine,) = [one for one in await server.call("GET", "/chats", agent_id=agent) if one["session_id"] == "mine"]
    history = await server.call("GET", f"/chats/{mine['id']}", agent_id=agent)
    texts = [one["content"][0]["text"] for one in history["messages"]]
    assert texts == ["[Agent default requesting] say one", "one", "[Agent default requesting] say two", "two"]


async def test_a_background_task_is_asked_for_by_its_id(server: RunningServer, agent: str, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    command = {"command": f"until test -e {go_on}; do sleep 0.05; done; echo waited"}
    script = f"call execute_shell_command {json.dumps(command)}\nsay {{1}}"
    done = await chat(server, agent, script, "--background")
    assert done.returncode == 0, done
    task_line, session_line = done.stdout.splitlines()[:2]
    task_id = re.fullmatch(r"\[TASK_ID: ([0-9a-f-]{36})\]", task_line)
    assert task_id, done.stdout
    assert re.fullmatch(rf"\[SESSION: {SESSION.pattern}\]", session_line)
    ask = ("agents", "chat", "--background", "--task-id", task_id[1])
    waiting = await server.cli(*ask)
    assert (waiting.returncode, waiting.stdout) == (0, f"[TASK_ID: {task_id[1]}]\n[STATUS: running]\n")
    go_on.touch()
    await server.drained(agent)
    ended = await server.cli(*ask)
    assert (ended.returncode, ended.stdout) == (0, f"[TASK_ID: {task_id[1]}]\n[STATUS: finished]\n\nwaited\n")
    as_json = json.loads((await server.cli(*ask, "--json-output")).stdout)
    assert (as_json["task_id"], as_json["status"], as_json["result"]["status"]) == (
        task_id[1],
        "finished",
        "completed",
    )


async def test_failures_are_one_sentence_and_status_1(server: RunningServer) -> None:
    for done, told in (
        (await chat(server, "default", "fail 400"), "400"),
        (await chat(server, "default", "fail 400", "--mode", "stream"), "400"),
        (await chat(server, "nobody", "say hello"), "nobody"),
        (await chat(server, "nobody", "say hello", "--background"), "nobody"),
        (await server.cli("agents", "chat", "--background", "--task-id", "no-such-task"), "no-such-task"),
    ):
        assert done.returncode == 1, done
        assert re.fullmatch(r"Error: [^\n]+\n", done.stderr), done
        assert told in done.stderr


async def test_without_a_server_every_command_says_how_to_start_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (
            ("agents", "list"),
            ("agents", "status"),
            ("agents", "chat", "--from-agent", "a", "--to-agent", "b", "--text", "hello"),
            ("chats", "list"),
        ):
            done = await run_command(*arguments, "--base-url", address, environ=server_environ(tmp_path))
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == f"Error: No copaw server answers at {address}; start one with `copaw app`.\n"


async def test_chats_are_listed_shown_made_renamed_and_deleted(
    server: RunningServer, agent: str, tmp_path: Path
) -> None:
    async def chats(*arguments: str) -> Any:
        done = await server.cli("chats", *arguments, "--agent-id", agent)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    assert await chats("list") == []
    made = await chats("create", "--name", "Made", "--session-id", "s", "--user-id", "u")
    assert set(made) >= {"id", "name", "session_id", "user_id", "channel", "created_at", "updated_at", "status"}
    (tmp_path / "chat.json").write_text(json.dumps({"name": "From a file", "session_id": "f", "user_id": "v"}))
    from_file = await chats("create", "--file", str(tmp_path / "chat.json"))
    assert [one["name"] for one in await chats("list")] == ["Made", "From a file"]
    assert [one["id"] for one in await chats("list", "--user-id", "v")] == [from_file["id"]]
    assert await chats("list", "--channel", "dingtalk") == []
    await server.ask("say in it", agent_id=agent, session_id="s", user_id="u")
    shown = await chats("get", made["id"])
    assert (shown["status"], [one["role"] for one in shown["messages"]]) == ("idle", ["user", "assistant"])
    assert (await chats("update", made["id"], "--name", "Renamed"))["name"] == "Renamed"
    assert await chats("delete", made["id"]) == {"deleted": True}
    assert [one["name"] for one in await chats("list")] == ["From a file"]
    gone = await server.cli("chats", "get", made["id"], "--agent-id", agent)
    assert gone.returncode == 1
    assert made["id"] in gone.stderr


async def test_agents_are_listed_watched_and_reloaded(server: RunningServer, agent: str) -> None:
    listed = json.loads((await server.cli("agents", "list")).stdout)
    assert {one["id"] for one in listed["agents"]} >= {"default", agent}
    assert all(set(one) >= {"id", "name", "description", "workspace_dir", "enabled"} for one in listed["agents"])
    async with server.stream(message("tokens 60\ndelay 0.05", session_id="held"), agent_id=agent) as stream:
        await stream.until(lambda event: event.get("delta") is True)
        table = (await server.cli("agents", "status", agent)).stdout
        assert agent in table
        assert "serving" in table
        assert "stream" in table
        document = json.loads((await server.cli("agents", "status", agent, "--json")).stdout)
        assert document["generations"][0]["leases"][0]["session_id"] == "held"
        file = server.workspace(agent) / "agent.json"
        file.write_text(file.read_text().replace('"max_iters": 100', '"max_iters": 99'))
        done = await server.cli("agents", "reload", agent, "--wait")
        assert done.returncode == 0, done
        # Who watches the file may have been quicker; then nothing is left to swap.
        assert re.match(r"(swapped|unchanged), generation 2, in \d", done.stdout), done
        assert "draining" in (await server.cli("agents", "status", agent)).stdout
    unchanged = json.loads((await server.cli("agents", "reload", agent, "--wait", "--json")).stdout)
    assert unchanged["outcome"] == "unchanged"
    everybody = json.loads((await server.cli("agents", "status", "--json")).stdout)
    assert {one["agent_id"] for one in everybody} >= {"default", agent}


async def test_models_are_listed_without_their_keys(server: RunningServer) -> None:
    key = json.loads((server.secret_dir / "providers" / "custom" / "scripted.json").read_text())["api_key"]
    table = await server.cli("models", "list")
    assert table.returncode == 0, table
    assert "Active model: scripted of scripted" in table.stdout
    document = await server.cli("models", "list", "--json")
    assert json.loads(document.stdout)["active_llm"] == {"provider_id": "scripted", "model": "scripted"}
    (scripted,) = [one for one in json.loads(document.stdout)["providers"] if one["id"] == "scripted"]
    assert scripted["has_api_key"] is True
    assert key
    for shown in (table.stdout, document.stdout, json.dumps(await server.call("GET", "/models"))):
        assert key not in shown
    assert key not in server.log


async def test_the_model_is_sent_the_key_and_the_tools(server: RunningServer, model: ModelServer) -> None:
    await model.clear()
    assert await server.ask("say with tools") == "with tools"
    (body,) = (await model.record(received=1))["requests"]
    assert body["model"] == "scripted"
    assert "execute_shell_command" in {tool["function"]["name"] for tool in body["tools"]}
    assert body["messages"][0]["role"] == "system"


async def test_the_log_hides_the_polling_of_pages(server: RunningServer) -> None:
    await server.call("GET", "/console/push-messages")
    await server.call("GET", "/version")
    await wait_until(lambda: "/api/version" in server.log, what=lambda: server.log[-300:])
    assert "push-messages" not in server.log
