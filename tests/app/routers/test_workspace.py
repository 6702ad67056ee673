"""An agent's workspace, out and in, while the agent is at work."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from copaw.errors import Conflict


def archive(**files: Any) -> bytes:
    """A ZIP archive; ``__`` in a name is a slash, ``_`` before the last part a dot; objects become JSON."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        for name, content in files.items():
            path = name.replace("__", "/").replace("_", ".")
            opened.writestr(path, content if isinstance(content, str) else json.dumps(content))
    return data.getvalue()


@pytest.fixture
def workspace(server) -> Path:
    return server.services.config.workspace_dir("default")


async def send(server, data: bytes, *, status: int = 200, agent: str = "default") -> Any:
    response = await server.client.post(f"/api/agents/{agent}/workspace/upload", files={"file": ("w.zip", data)})
    assert response.status_code == status, response.text
    if status == 200:
        assert response.headers["X-Reload-Revision"]
    return response.json()


async def fetch(server, agent: str = "default") -> bytes:
    response = await server.client.get("/api/workspace/download", headers={"X-Agent-Id": agent})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert f"copaw_workspace_{agent}_" in response.headers["content-disposition"]
    return response.content


async def test_a_download_holds_the_workspace_with_what_is_not_on_disk_yet(server, workspace):
    await server.say("say hello", session_id="s1", user_id="u1")
    names = zipfile.ZipFile(io.BytesIO(await fetch(server))).namelist()
    assert {"agent.json", "AGENTS.md", "chats.json", "jobs.json", "sessions/u1_s1.json"} <= set(names)
    chats = json.loads(zipfile.ZipFile(io.BytesIO(await fetch(server))).read("chats.json"))["chats"]
    assert [chat["session_id"] for chat in chats] == ["s1"]
    assert not any(name.endswith((".lock", ".tmp")) for name in names)


async def test_an_upload_replaces_its_files_and_leaves_the_others(server, workspace):
    (workspace / "notes.txt").write_text("kept")
    before = (workspace / "AGENTS.md").read_text()
    answer = await send(server, archive(AGENTS_md="be kind", memory__deep__n_md="new"))
    assert (answer["success"], answer["files"], answer["skipped"]) == (True, 2, [])
    assert (workspace / "AGENTS.md").read_text() == "be kind"
    assert (workspace / "memory" / "deep" / "n.md").read_text() == "new"
    assert (workspace / "notes.txt").read_text() == "kept"
    (backup,) = server.paths.backups_dir.iterdir()
    assert (str(backup), stat.S_IMODE(backup.stat().st_mode)) == (answer["backup"], 0o600)
    assert zipfile.ZipFile(backup).namelist() == ["AGENTS.md"]
    await send(server, backup.read_bytes())
    assert (workspace / "AGENTS.md").read_text() == before
    assert not list(server.paths.working_dir.glob(".upload-*"))


async def test_what_only_adds_needs_no_backup(server):
    assert (await send(server, archive(new_md="x")))["backup"] is None


async def test_configuration_is_taken_over_and_the_agent_reloads(server, workspace):
    profile = server.agent_json()
    imported = {**profile, "id": "other", "workspace_dir": "/elsewhere", "name": "Imported", "own": 1}
    imported["running"] = {"max_iters": 7}
    was = server.generation()
    answer = await send(server, archive(agent_json=imported))
    await server.services.manager.reload_agent("default")
    assert server.generation() == was + 1
    now = server.agent_json()
    assert (now["name"], now["running"]["max_iters"], now["own"]) == ("Imported", 7, 1)
    assert (now["id"], now["workspace_dir"]) == (profile["id"], profile["workspace_dir"])
    assert json.loads(zipfile.ZipFile(answer["backup"]).read("agent.json"))["name"] == profile["name"]


async def test_chats_are_added_to_those_there_are_and_jobs_are_scheduled(server):
    await server.say("say hello", session_id="mine", user_id="u1")
    chats = {"version": 1, "chats": [{"id": "c1", "name": "Old", "session_id": "theirs", "user_id": "u1"}]}
    job = {
        "id": "j1",
        "name": "Job",
        "schedule": {"cron": "0 4 * * *"},
        "request": {"input": "go"},
        "dispatch": {"target": {"user_id": "u", "session_id": "s"}},
    }
    memory = [[{"id": "1", "name": "u", "role": "user", "content": "hi", "timestamp": ""}, []]]
    session = {"agent": {"memory": {"content": memory}}}
    await send(server, archive(chats_json=chats, jobs_json={"jobs": [job]}))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        opened.writestr("sessions/u1_theirs.json", json.dumps(session))
    await send(server, data.getvalue())
    assert {chat["session_id"] for chat in await server.call("GET", "/chats")} == {"mine", "theirs"}
    assert (await server.call("GET", "/chats/c1"))["messages"][0]["content"][0]["text"] == "hi"
    assert (await server.call("GET", "/cron/jobs/j1/state"))["next_run_at"]


async def test_one_agents_workspace_can_be_laid_over_another(server):
    await server.say("say hello", session_id="s1", user_id="u1")
    made = await server.client.post("/api/agents", json={"name": "Helper"})
    helper = made.json()["id"]
    await server.reloaded(made, helper)
    await send(server, await fetch(server), agent=helper)
    assert server.agent_json(helper)["id"] == helper
    chats = await server.call("GET", f"/agents/{helper}/chats")
    history = await server.call("GET", f"/agents/{helper}/chats/{chats[0]['id']}")
    assert [message["role"] for message in history["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"agent_json": "{broken"}, "agent.json"),
        ({"agent_json": []}, "agent.json"),
        ({"agent_json": {"running": {"max_iters": 0}}}, "running.max_iters"),
        ({"chats_json": {"chats": [{"id": 1}]}}, "chats.json"),
        ({"jobs_json": {"jobs": 1}}, "jobs"),
        ({"AGENTS_md": "x", "memory": "a file where there is a directory"}, "memory"),
        ({"AGENTS_md__below": "x"}, "AGENTS.md"),
    ],
)
async def test_an_upload_that_cannot_be_used_changes_nothing(server, workspace, files, problem):
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}

    before = content()
    status = 409 if "directory" in str(files) or "below" in str(files) else 422
    answer = await send(server, archive(notes_md="x", **files), status=status)
    assert problem in answer["detail"]
    assert content() == before
    assert not list(server.paths.working_dir.glob(".upload-*"))


async def test_nothing_is_written_through_a_link_that_leads_out(server, workspace, tmp_path):
    (tmp_path / "outside").mkdir()
    (workspace / "data").symlink_to(tmp_path / "outside")
    await send(server, archive(data__x="x"), status=409)
    (workspace / "link.md").symlink_to(tmp_path / "outside" / "target.md")
    await send(server, archive(link_md="x"))
    assert list((tmp_path / "outside").iterdir()) == []
    assert (workspace / "link.md").read_text() == "x"


async def test_a_session_in_use_is_not_replaced_and_its_run_goes_on(server, workspace):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        opened.writestr("sessions/u1_s1.json", "{}")
        opened.writestr("AGENTS.md", "new")
    async with server.services.locks.hold(workspace / "sessions" / "u1_s1.json", "a run"):
        answer = await send(server, data.getvalue(), status=409)
    assert answer["error"]["code"] == Conflict.code
    assert "u1_s1.json" in answer["detail"]
    assert (workspace / "AGENTS.md").read_text() != "new"
    await send(server, data.getvalue())
    assert not server.services.locks.locked(workspace / "sessions" / "u1_s1.json")


async def test_what_belongs_to_the_running_server_is_skipped_and_said(server, workspace):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        opened.writestr("cron_state.json", "{}")
        opened.writestr("x.lock", "")
    assert (await send(server, data.getvalue()))["skipped"] == ["cron_state.json", "x.lock"]
    assert not (workspace / "x.lock").exists()


async def test_a_bad_archive_is_refused_by_name(server):
    assert (await send(server, b"no archive", status=422))["error"]["field"] == "file"
    response = await server.client.post("/api/workspace/upload")
    assert response.status_code == 422


async def test_a_disk_that_is_full_is_told_with_where_the_old_files_are(server, workspace, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("copaw.app.workspace_transfer.copy_atomic", full)
    answer = await send(server, archive(AGENTS_md="x"), status=500)
    assert "No space left" in answer["detail"]
    backup = answer["detail"].rsplit(" ", 1)[1].rstrip(".")
    assert zipfile.ZipFile(backup).namelist() == ["AGENTS.md"]
