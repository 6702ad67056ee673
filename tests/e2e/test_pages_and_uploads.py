"""Uploads, notices, pages, unknown paths and probes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from copaw.testing.server import RunningServer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MB = 1024 * 1024


@pytest.mark.parametrize("size", [0, 5, 10 * MB])
async def test_a_file_of_up_to_10_mb_is_kept(server: RunningServer, agent: str, size: int) -> None:
    content = b"x" * size
    answer = await server.http.post(
        f"/api/agents/{agent}/console/upload", files={"file": ("a note.txt", content, "text/plain")}
    )
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert set(document) == {"url", "file_name", "size"}
    assert (document["file_name"], document["size"]) == ("a note.txt", size)
    path = Path(document["url"])
    assert await asyncio.to_thread(path.read_bytes) == content
    assert server.workspace(agent) in path.parents


async def test_a_larger_file_is_refused_and_not_kept(server: RunningServer, agent: str) -> None:
    files = {"file": ("large.bin", b"x" * (10 * MB + 1), "application/octet-stream")}
    answer = await server.http.post("/api/console/upload", files=files, headers={"X-Agent-Id": agent})
    assert answer.status_code == 400
    assert "10 MB" in answer.json()["detail"]
    assert list((server.workspace(agent) / "media").glob("*")) == []


async def test_the_name_of_a_file_is_no_path(server: RunningServer, agent: str) -> None:
    for name in ("../../up.txt", "/etc/up.txt", "..\\up.txt"):
        answer = await server.http.post(
            "/api/console/upload", files={"file": (name, b"x")}, headers={"X-Agent-Id": agent}
        )
        assert (answer.status_code, answer.json()["file_name"]) == (200, "up.txt")
        assert Path(answer.json()["url"]).parent == server.workspace(agent) / "media"


async def test_a_notice_is_shown_to_all_and_consumed_by_its_session(server: RunningServer, agent: str) -> None:
    who = {"session_id": "damaged", "user_id": "u"}
    file = server.workspace(agent) / "sessions" / "u_damaged.json"
    file.write_text("{torn")
    assert await server.ask("say on", agent_id=agent, **who) == "on"
    shown = (await server.call("GET", "/console/push-messages"))["messages"]
    mine = (await server.call("GET", "/console/push-messages?session_id=damaged"))["messages"]
    assert len(mine) == 1
    assert mine[0] in shown
    assert set(mine[0]) == {"id", "text", "sticky"}
    assert (await server.call("GET", "/console/push-messages?session_id=damaged")) == {"messages": []}
    (kept,) = [one for one in file.parent.iterdir() if one.name != file.name]
    assert kept.read_text() == "{torn"
    assert kept.name in mine[0]["text"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_api_path_is_404_in_json(server: RunningServer, method: str) -> None:
    answer = await server.send(method, "/no/such/thing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert "/api/no/such/thing" in answer.json()["detail"]


async def test_the_root_is_a_page(server: RunningServer) -> None:
    for path in ("/", "/console", "/console/", "/chat"):
        answer = await server.http.get(path, follow_redirects=True)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        assert "<html" in answer.text.lower()


async def test_the_probes_answer(server: RunningServer, agent: str) -> None:
    assert (await server.http.get("/healthz")).json() == {"status": "ok"}
    ready = await server.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["agents"]["default"] == ready.json()["agents"][agent] == "serving"
    assert set(await server.call("GET", "/version")) == {"version"}


async def test_every_agent_is_in_the_lifecycle_of_all(server: RunningServer, agent: str) -> None:
    everybody = (await server.call("GET", "/lifecycle"))["agents"]
    (mine,) = [one for one in everybody if one["agent_id"] == agent]
    assert set(mine) >= {"agent_id", "state", "generation", "generations", "last_reload", "reload_pending", "settings"}
    assert set(mine["generations"][0]) >= {
        "generation",
        "state",
        "config_digest",
        "created_at",
        "serving_since",
        "retired_at",
        "drain_deadline",
        "leases",
    }
    assert set(mine["last_reload"]) >= {
        "outcome",
        "generation",
        "requested_at",
        "finished_at",
        "duration_seconds",
        "changed",
        "error",
    }
    assert set(mine["settings"]) >= {"reload_grace_seconds", "max_draining"}
    assert json.dumps(mine["settings"]["reload_grace_seconds"]) == "3600.0"
