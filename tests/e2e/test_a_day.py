"""A day with copaw, from the first start to the end, with the real command line: without log-in, and with it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from copaw.testing.model_server import ModelServer
from copaw.testing.server import RunningServer, message, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

PROVIDER, SMALL, LARGE = "scripted", "small", "large"
ACCOUNT = {"username": "ada", "password": "not so easy to guess"}
LOG_IN = {
    "COPAW_AUTH_ENABLED": "true",
    "COPAW_AUTH_USERNAME": ACCOUNT["username"],
    "COPAW_AUTH_PASSWORD": ACCOUNT["password"],
}
WHO = {"session_id": "console:1", "user_id": "ada", "channel": "console"}


class Day:
    """One home over several starts of its server.

    :param environ: further variables of the server.
    """

    def __init__(self, home: Path, model: ModelServer, environ: dict[str, str]) -> None:
        self.home = home
        self.model = model
        self.environ = environ
        self.agent = self.helper = self.chat_id = self.job_id = ""
        self.archive = b""

    @asynccontextmanager
    async def server(self) -> AsyncIterator[RunningServer]:
        """A start of the server, with a client that is logged in if need be."""
        async with running_server(self.home, environ=self.environ) as server:
            if self.environ:
                for path in ("/api/agents", "/api/lifecycle", "/api/envs"):
                    assert (await server.http.get(path)).status_code == 401
                answer = await server.call("POST", "/auth/login", ACCOUNT)
                server.http.headers["Authorization"] = f"Bearer {answer['token']}"
            yield server

    async def cli(self, server: RunningServer, *arguments: str) -> str:
        """What a command prints; it has to succeed. It reads the local token where there is a log-in."""
        done = await server.cli(*arguments)
        assert done.returncode == 0, (arguments, done)
        return done.stdout

    # -- morning -------------------------------------------------------------------------------------------------

    async def configure_a_provider(self, server: RunningServer) -> None:
        await self.cli(server, "models", "add-provider", PROVIDER, "--name", "S", "--base-url", self.model.base_url)
        for name in (SMALL, LARGE):
            await self.cli(server, "models", "add-model", PROVIDER, "--model-id", name, "--model-name", name)
        await self.cli(server, "models", "config-key", PROVIDER, "--key", "sk-of-the-day")
        await self.cli(server, "models", "set-llm", PROVIDER, SMALL)
        await server.settled()
        assert await server.ask("say good morning") == "good morning"

    async def create_agents(self, server: RunningServer) -> None:
        for name in ("agent", "helper"):
            ref = await server.call("POST", "/agents", {"name": name.title(), "language": "en"}, status=201)
            setattr(self, name, ref["id"])
            await server.settled(ref["id"])
        listed = json.loads(await self.cli(server, "agents", "list"))
        assert {agent["id"] for agent in listed["agents"]} >= {"default", self.agent, self.helper}

    async def schedule(self, server: RunningServer) -> None:
        """A job for every minute: its time comes while the day goes on."""
        options = ("--type", "agent", "--name", "Every minute", "--cron", "* * * * *", "--channel", "console")
        target = ("--target-user", "ada", "--target-session", "console:2", "--text", "say the time has come")
        made = json.loads(await self.cli(server, "cron", "create", *options, *target, "--agent-id", self.agent))
        self.job_id = made["id"]
        state = await server.call("GET", f"/cron/jobs/{self.job_id}/state", agent_id=self.agent)
        assert state["next_run_at"] is not None

    # -- at work -------------------------------------------------------------------------------------------------

    async def chat_with_an_upload(self, server: RunningServer) -> None:
        sent = await server.http.post(
            "/api/console/upload", files={"file": ("notes.txt", b"bread, milk")}, headers={"X-Agent-Id": self.agent}
        )
        kept = sent.json()
        assert (kept["file_name"], kept["size"]) == ("notes.txt", 11)
        body = message(f'call read_file {{"file_path": "{kept["url"]}"}}\nsay read it', **WHO)
        body["input"][0]["content"].append({"type": "file", "file_url": kept["url"], "filename": "notes.txt"})
        events = await server.events(body, path="/console/chat", agent_id=self.agent)
        assert events[-1]["status"] == "completed", events[-1]
        assert "bread, milk" in json.dumps(events)
        (chat,) = await server.call("GET", "/chats?user_id=ada", agent_id=self.agent)
        self.chat_id = chat["id"]
        history = await server.call("GET", f"/chats/{self.chat_id}", agent_id=self.agent)
        assert [one["type"] for one in history["messages"]][-3:] == ["plugin_call", "plugin_call_output", "message"]
        assert "notes.txt" in json.dumps(history["messages"][0])
        shown = await server.http.get(f"/api/files/preview/{kept['url'].lstrip('/')}")
        assert (shown.status_code, shown.content) == (200, b"bread, milk")

    async def ask_the_helper(self, server: RunningServer) -> None:
        told = await self.cli(
            server, "agents", "chat", "--from-agent", self.agent, "--to-agent", self.helper, "--text", "say at once"
        )
        assert told.startswith("[SESSION: ")
        assert told.rstrip().endswith("at once")

    async def switch_models(self, server: RunningServer) -> None:
        body = {"provider_id": PROVIDER, "model": LARGE, "scope": "agent", "agent_id": self.agent}
        await server.call("PUT", "/models/active", body)
        await server.settled(self.agent)
        await self.model.clear()
        assert await server.ask("say with more thought", agent_id=self.agent, **WHO) == "with more thought"
        assert await server.ask("say as before", agent_id=self.helper) == "as before"
        models = [request["model"] for request in (await self.model.record())["requests"]]
        assert models == [LARGE, SMALL]

    async def compact(self, server: RunningServer) -> None:
        before = await server.call("GET", f"/chats/{self.chat_id}", agent_id=self.agent)
        answer = await server.events(message("/compact", **WHO), path="/console/chat", agent_id=self.agent)
        assert answer[-1]["status"] == "completed", answer[-1]
        session = next(server.workspace(self.agent).glob("sessions/ada_*.json"))
        memory = json.loads(session.read_text())["agent"]["memory"]
        assert memory["_compressed_summary"]
        assert len(memory["content"]) < len(before["messages"])
        assert await server.ask("say still here", agent_id=self.agent, **WHO) == "still here"

    async def move_the_workspace(self, server: RunningServer) -> None:
        """What one agent is goes to another."""
        await server.call("PUT", "/agent/files/SOUL.md", {"content": "Cheerful.\n"}, agent_id=self.agent)
        got = await server.http.get(f"/api/agents/{self.agent}/workspace/download")
        assert got.status_code == 200, got.text
        self.archive = got.content
        assert {"SOUL.md", "chats.json"} <= {*zipfile.ZipFile(io.BytesIO(self.archive)).namelist()}
        files = {"file": ("workspace.zip", self.archive, "application/zip")}
        put = await server.http.post(f"/api/agents/{self.helper}/workspace/upload", files=files)
        assert put.status_code == 200, put.text
        await server.settled(self.helper)
        soul = await server.call("GET", "/agent/files/SOUL.md", agent_id=self.helper)
        assert soul["content"] == "Cheerful.\n"

    async def run_the_job(self, server: RunningServer) -> None:
        await self.cli(server, "cron", "run", self.job_id, "--agent-id", self.agent)
        await self._has_run(server)

    async def wait_for_the_job(self, server: RunningServer) -> None:
        """Its time comes within a minute of when it was made."""
        await self._has_run(server)
        history = await server.call("GET", f"/cron/jobs/{self.job_id}/history", agent_id=self.agent)
        assert {one["trigger"] for one in history} == {"schedule"}

    async def _has_run(self, server: RunningServer) -> None:
        state: Any = None

        async def has_fired() -> bool:
            nonlocal state
            state = await server.call("GET", f"/cron/jobs/{self.job_id}/state", agent_id=self.agent)
            return state["last_status"] == "success"

        await wait_until(has_fired, within_s=75, what=lambda: f"state {state}")

    async def pause(self, server: RunningServer) -> None:
        await self.cli(server, "cron", "pause", self.job_id, "--agent-id", self.agent)

    # -- evening -------------------------------------------------------------------------------------------------

    async def find_everything_again(self, server: RunningServer) -> None:
        state = await server.call("GET", f"/cron/jobs/{self.job_id}/state", agent_id=self.agent)
        assert state["paused"] is True
        assert state["last_status"] == "success"
        chats = await server.call("GET", "/chats?user_id=ada&channel=console", agent_id=self.agent)
        assert self.chat_id in {chat["id"] for chat in chats}
        listed = json.loads(await self.cli(server, "chats", "list", "--agent-id", self.agent))
        assert self.chat_id in {chat["id"] for chat in listed}
        assert await server.ask("say good evening", agent_id=self.agent, **WHO) == "good evening"
        active = await server.call("GET", f"/models/active?scope=agent&agent_id={self.agent}")
        assert active["active_llm"] == {"provider_id": PROVIDER, "model": LARGE}

    async def delete(self, server: RunningServer) -> None:
        await self.cli(server, "cron", "delete", self.job_id, "--agent-id", self.agent)
        await server.call("DELETE", f"/agents/{self.agent}")
        assert (await server.send("GET", "/chats", agent_id=self.agent)).status_code == 404
        assert server.workspace(self.agent).is_dir()
        assert await server.ask("say alone", agent_id=self.helper) == "alone"


@pytest.mark.parametrize("environ", [{}, LOG_IN], ids=["without log-in", "with log-in"])
async def test_a_day(tmp_path: Path, model: ModelServer, environ: dict[str, str]) -> None:
    day = Day(tmp_path, model, environ)
    async with day.server() as server:
        await day.configure_a_provider(server)
        await day.create_agents(server)
        await day.schedule(server)
        await day.chat_with_an_upload(server)
        await day.ask_the_helper(server)
        await day.switch_models(server)
        await day.compact(server)
        await day.move_the_workspace(server)
        # Once is enough to wait for a clock.
        await (day.run_the_job(server) if environ else day.wait_for_the_job(server))
        await day.pause(server)
        server.terminate()
        assert await server.wait_ended() == 0
    async with day.server() as server:
        await day.find_everything_again(server)
        await day.delete(server)
        await day.cli(server, "shutdown")
        assert await server.wait_ended() == 0
        assert "Traceback" not in server.log
