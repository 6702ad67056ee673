"""Log-in on a real server: its own command line and agents just work, everybody else needs a token."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from copaw.security.account import Account
from copaw.security.tokens import issue_token
from copaw.testing.eventually import eventually
from copaw.testing.server import COMMAND, RunningServer, answer_of, message, run_command, running_server, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ON = {"COPAW_AUTH_ENABLED": "true", "COPAW_AUTH_USERNAME": "me", "COPAW_AUTH_PASSWORD": "first password"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    """A server with log-in, on the offline demo model. Its client has no token."""
    async with running_server(tmp_path_factory.mktemp("locked"), environ=ON) as server:
        yield server


async def log_in(server: RunningServer, password: str = "first password") -> httpx.Response:
    return await server.http.post("/api/auth/login", json={"username": "me", "password": password})


async def bearer(server: RunningServer, password: str = "first password") -> dict[str, str]:
    answer = await log_in(server, password)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def test_the_command_line_works_without_anybody_typing_anything(locked: RunningServer) -> None:
    for arguments in (
        ("agents", "list"),
        ("chats", "list"),
        ("tasks", "list"),
        ("agents", "status"),
        ("models", "list"),
    ):
        done = await locked.cli(*arguments)
        assert done.returncode == 0, (arguments, done)
    chat = ("agents", "chat", "--from-agent", "default", "--to-agent", "default", "--text", "say hello")
    done = await locked.cli(*chat)
    assert done.returncode == 0, done
    assert "hello" in done.stdout


async def test_an_agents_command_that_calls_the_command_line_works(locked: RunningServer) -> None:
    command = f'{sys.executable} -m copaw agents list; echo "status $?, password ${{COPAW_AUTH_PASSWORD:-none}}"'
    body = message(f"call execute_shell_command {json.dumps({'command': command})}\nsay {{1}}")
    async with locked.http.stream("POST", "/api/agent/process", json=body, headers=await bearer(locked)) as response:
        frames = [json.loads(line[5:]) async for line in response.aiter_lines() if line.startswith("data:")]
    assert "status 0, password none" in answer_of(frames[-1])


async def test_another_user_of_the_machine_gets_a_sentence(locked: RunningServer, tmp_path: Path) -> None:
    environ = {**locked.environ, "COPAW_SECRET_DIR": str(tmp_path / "of-somebody-else")}
    refused = await run_command("agents", "list", environ=environ)
    assert refused.returncode == 1
    assert "copaw auth token" in refused.stderr
    assert "Traceback" not in refused.stderr
    token = (await locked.cli("auth", "token", "--days", "1")).stdout.strip()
    allowed = await run_command("agents", "list", environ={**environ, "COPAW_API_TOKEN": token})
    assert allowed.returncode == 0, allowed


async def test_streams_are_protected(locked: RunningServer) -> None:
    body = message("say hello")
    for path in (
        "/agent/process",
        "/console/chat",
        "/agent/ag-ui",
        "/agent/a2a",
        "/agent/compatible-mode/v1/responses",
    ):
        for route in (path, f"/agents/default{path}"):
            refused = await locked.send("POST", route, body)
            assert refused.status_code == 401, route
            assert refused.headers["content-type"] == "application/json"
    assert (await locked.http.post("/mcp", json={})).status_code == 401
    token = await bearer(locked)
    submitted = await locked.http.post("/api/agent/process/task", json=body, headers=token)
    events = f"/api/tasks/{submitted.json()['task_id']}/events"
    assert (await locked.http.get(events)).status_code == 401
    in_address = await locked.http.get(f"{events}?token={token['Authorization'].split()[1]}")
    assert in_address.status_code == 200
    assert "response" in in_address.text
    await eventually(lambda: "token=***" in locked.log, "the request is in the access log")
    assert token["Authorization"].split()[1] not in locked.log


async def test_a_token_expires(locked: RunningServer) -> None:
    document = json.loads((locked.secret_dir / "auth.json").read_text())
    account = Account(document["username"], document["password_hash"], document["token_key"])
    for age_s, status in ((0.0, 200), (8 * 86400.0, 401)):
        token = issue_token(account, time.time() - age_s)
        answer = await locked.http.get("/api/auth/verify", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    assert (await locked.http.get("/api/auth/verify", headers=await bearer(locked))).json() == {
        "valid": True,
        "username": "me",
    }


async def test_spelling_does_not_help_on_a_real_connection(locked: RunningServer) -> None:
    port = httpx.URL(locked.base_url).port

    async def status(target: str, method: str = "GET", more: str = "") -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{more or 'Connection: close'}\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return int(line.split()[1])

    for target in (
        "/api%2Fagents",
        "/%61pi/agents",
        "/api/agents%0A",
        "/metrics%0A",
        "/api/%2e%2e/api/agents",
        "/api/agents?x",
    ):
        assert await status(target) == 401, target
        assert await status(target, "HEAD") == 401, target
        assert await status(target, "OPTIONS") == 401, target
    assert await status("//api/agents") in (200, 404)
    assert await status("//api/agents", "DELETE") == 401
    assert await status("/", "GET") == 200
    socket = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    )
    for target in ("/api/agents", "/metrics", "/api/console/chat"):
        assert await status(target, more=socket) in (401, 403), target


async def test_guessing_is_limited_and_nobody_who_is_in_notices(tmp_path: Path) -> None:
    async with running_server(tmp_path / "home", environ=ON, wait_ready=False) as own:
        token = await bearer(own)
        answers = await asyncio.gather(*(log_in(own, f"guess {number}") for number in range(20)))
        refused = [answer for answer in answers if answer.status_code == 401]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) + len(limited) == 20
        # On a machine so busy that the pause is over before the last one arrives, one or two more.
        assert 5 <= len(refused) <= 7
        for answer in limited:
            assert 0 < int(answer.headers["Retry-After"]) <= 8
            assert answer.json()["error"]["code"] == "TOO_MANY_ATTEMPTS"
        assert (await own.http.get("/api/agents", headers=token)).status_code == 200
        assert (await own.cli("agents", "list")).returncode == 0

        async def forgiven() -> bool:
            return (await log_in(own)).status_code == 200

        await wait_until(forgiven)
        assert "guess" not in own.log


async def reset(server: RunningServer, password: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "auth", "reset-password"),
        env=dict(server.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(password.encode())
    assert process.returncode == 0
    return out.decode()


async def test_a_new_password_ends_tokens_by_http_and_by_command(tmp_path: Path) -> None:
    async with running_server(tmp_path / "home", environ=ON, wait_ready=False) as own:
        first = await bearer(own)
        body = {"current_password": "first password", "new_password": "second password"}
        assert (await own.http.post("/api/auth/update-profile", json=body)).status_code == 401
        changed = await own.http.post("/api/auth/update-profile", json=body, headers=first)
        second = {"Authorization": f"Bearer {changed.json()['token']}"}
        assert (await own.http.get("/api/agents", headers=first)).status_code == 401
        assert (await own.http.get("/api/agents", headers=second)).status_code == 200

        assert "of me is set" in await reset(own, "third password\n")

        async def ended() -> bool:
            return (await own.http.get("/api/agents", headers=second)).status_code == 401

        await wait_until(ended, within_s=5)
        assert (await own.http.get("/api/agents", headers=await bearer(own, "third password"))).status_code == 200
        assert (await log_in(own, "second password")).status_code == 401
    async with running_server(tmp_path / "home", environ=ON, wait_ready=False) as again:
        assert (await log_in(again, "first password")).status_code == 401, "the environment registers once"
        await bearer(again, "third password")


async def test_nobody_is_let_in_by_a_damaged_file_and_a_reset_mends_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with running_server(home, environ=ON, wait_ready=False) as own:
        token = await bearer(own)
    (home / "copaw.secret" / "auth.json").write_text('{"username": "me"')
    async with running_server(home, environ=ON, wait_ready=False) as own:
        assert (await own.http.get("/api/auth/status")).json() == {"enabled": True, "has_users": True}
        assert (await own.http.get("/api/agents")).status_code == 401
        for refused in (await own.http.get("/api/agents", headers=token), await log_in(own)):
            assert refused.status_code == 503
            assert "copaw auth reset-password" in refused.json()["detail"]
        taken = await own.http.post("/api/auth/register", json={"username": "you", "password": "x"})
        assert taken.status_code == 503
        assert "auth.json" in own.log
        assert (await own.cli("agents", "list")).returncode == 0
        await reset(own, "you\nnew password\n")
        session = await own.http.post("/api/auth/login", json={"username": "you", "password": "new password"})
        assert session.status_code == 200


async def test_the_first_one_registers(tmp_path: Path) -> None:
    async with running_server(tmp_path / "home", environ={"COPAW_AUTH_ENABLED": "1"}, wait_ready=False) as own:
        assert (await own.http.get("/api/auth/status")).json() == {"enabled": True, "has_users": False}
        assert (await own.http.get("/api/agents")).status_code == 401
        assert "nobody is registered" in own.log
        answer = await own.http.post("/api/auth/register", json={"username": "you", "password": "pw"})
        assert answer.json().keys() == {"token", "username"}
        token = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert (await own.http.get("/api/agents", headers=token)).status_code == 200
        assert (own.secret_dir / "auth.json").stat().st_mode & 0o777 == 0o600


async def test_off_is_as_it_was(server: RunningServer) -> None:
    assert await server.call("GET", "/auth/status") == {"enabled": False, "has_users": False}
    assert await server.call("POST", "/auth/login", {"username": "x", "password": "y"}) == {"token": "", "username": ""}
    assert await server.call("GET", "/auth/verify") == {"valid": True, "username": ""}
    await server.call("POST", "/auth/register", {"username": "x", "password": "y"}, status=403)
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = await server.http.post("/api/agent/process", json=message("say hello"), headers=evil)
    assert refused.status_code == 403


async def test_a_typing_error_keeps_the_server_from_starting(tmp_path: Path) -> None:
    environ: dict[str, Any] = {**os.environ, "COPAW_WORKING_DIR": str(tmp_path), "COPAW_AUTH_ENABLED": "ture"}
    done = await run_command("app", "--port", "0", environ=environ)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: COPAW_AUTH_ENABLED")
    assert len(done.stderr.splitlines()) == 1


async def test_one_run_without_a_server_works_with_log_in_on(locked: RunningServer) -> None:
    environ = {**locked.environ, "COPAW_API_TOKEN": "of-another-server"}
    done = await run_command("task", "--instruction", "say hello", environ=environ)
    assert done.returncode == 0, done
    assert "hello" in done.stdout
