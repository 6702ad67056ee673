from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from copaw.errors import EndReason

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"


async def new_agent(server, **fields) -> str:
    response = await server.client.post("/api/agents", json={"name": "Helper", **fields})
    agent_id = response.json()["id"]
    await server.reloaded(response, agent_id)
    return agent_id


async def test_the_list_has_the_shape_of_1_0_2(server):
    sample = json.loads((SAMPLES / "agents.json").read_text())
    listed = await server.call("GET", "/agents")
    assert listed.keys() == sample.keys()
    assert [agent.keys() for agent in listed["agents"]] == [sample["agents"][0].keys()]
    assert listed["agents"][0]["id"] == "default"
    assert listed["agents"][0]["enabled"] is True


async def test_a_new_agent_is_listed_last_serves_and_has_its_workspace(server):
    response = await server.client.post(
        "/api/agents", json={"name": " Helper ", "description": "Helps.", "language": "zh"}
    )
    ref = response.json()
    assert response.status_code == 201
    assert ref.keys() == {"id", "workspace_dir", "enabled"}
    assert len(ref["id"]) == 6
    assert ref["id"].isalnum()
    assert Path(ref["workspace_dir"]) == server.paths.default_workspace(ref["id"])
    assert await server.reloaded(response, ref["id"]) == 1
    for name in ("AGENTS.md", "BOOTSTRAP.md", "agent.json", "chats.json", "sessions", "memory"):
        assert (Path(ref["workspace_dir"]) / name).exists()
    last = (await server.call("GET", "/agents"))["agents"][-1]
    assert (last["id"], last["name"], last["description"]) == (ref["id"], "Helper", "Helps.")
    assert (await server.call("GET", f"/agents/{ref['id']}"))["language"] == "zh"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x", "language": "not a language"}, "language"),
        ({"name": "x", "workspace_dir": "a\0b"}, "workspace_dir"),
        ({"name": "x", "workspace_dir": "config.json"}, "workspace_dir"),
        ({"name": "x", "workspace_dir": "config.json/below"}, "workspace_dir"),
    ],
)
async def test_a_new_agent_with_a_bad_field_is_refused_and_nothing_is_made(server, body, field):
    error = await server.error("POST", "/agents", body, status=422)
    assert error["field"] == field
    assert [agent["id"] for agent in (await server.call("GET", "/agents"))["agents"]] == ["default"]


async def test_a_new_agent_without_a_name_is_refused(server):
    answer = await server.call("POST", "/agents", {"description": "x"}, status=422)
    assert answer["detail"][0]["loc"] == ["body", "name"]


async def test_a_new_agent_is_not_given_skills_silently(server):
    await server.error("POST", "/agents", {"name": "x", "skill_names": ["pdf"]}, status=501)


async def test_a_directory_that_is_not_empty_is_used_and_nothing_in_it_is_overwritten(server, tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "AGENTS.md").write_text("mine")
    (root / "agent.json").write_text('{"id": "old", "name": "Old"}')
    agent_id = await new_agent(server, workspace_dir=str(root))
    assert (root / "AGENTS.md").read_text() == "mine"
    assert [json.loads(kept.read_text())["id"] for kept in root.glob("agent.json.replaced-*")] == ["old"]
    assert server.agent_json(agent_id)["name"] == "Helper"
    assert server.services.config.workspace_dir(agent_id) == root


async def test_the_workspace_of_another_agent_is_refused_and_left_alone(server, tmp_path):
    root = server.paths.default_workspace("default")
    (root / "SOUL.md").unlink()
    link = tmp_path / "link"
    link.symlink_to(root)
    for directory in (root, link):
        await server.error("POST", "/agents", {"name": "x", "workspace_dir": str(directory)}, status=409)
    assert not (root / "SOUL.md").exists()
    assert server.agent_json()["id"] == "default"


async def test_an_agent_is_shown_as_1_0_2_shows_it(server):
    sample = json.loads((SAMPLES / "agent_default.json").read_text())
    shown = await server.call("GET", "/agents/default")
    assert sample.keys() <= shown.keys()
    assert sample["channels"].keys() <= shown["channels"].keys()
    assert sample["running"].keys() <= shown["running"].keys()


async def test_an_unknown_agent_is_not_found(server):
    for method, path, body in [
        ("GET", "/agents/nobody", None),
        ("PUT", "/agents/nobody", {"name": "x"}),
        ("DELETE", "/agents/nobody", None),
        ("PATCH", "/agents/nobody/toggle", {"enabled": False}),
    ]:
        error = await server.error(method, path, body, status=404)
        assert error["code"] == "AGENT_NOT_FOUND"


async def test_a_change_keeps_what_was_not_sent_and_reloads(server):
    before = server.agent_json()
    before["running"]["reload_grace_seconds"] = 7
    before["future"] = {"kept": True}
    (server.paths.default_workspace("default") / "agent.json").write_text(json.dumps(before))
    was = server.generation()
    body = {"id": "default", "name": "New", "running": {"max_iters": 9}, "channels": {"qq": {"app_id": "1"}}}
    response = await server.client.put("/api/agents/default", json=body)
    assert response.json()["name"] == "New"
    assert await server.reloaded(response) > was
    after = server.agent_json()
    assert after["running"] == {**before["running"], "max_iters": 9}
    assert after["channels"]["qq"] == {**before["channels"]["qq"], "app_id": "1"}
    assert after["future"] == {"kept": True}
    assert after["description"] == before["description"]


async def test_a_profile_can_be_sent_back_as_it_was_read(server):
    await server.services.config.record_last_dispatch("default", channel="console", user_id="u", session_id="s")
    on_disk = server.agent_json()
    shown = await server.call("GET", "/agents/default")
    assert shown["last_dispatch"] == {"channel": "console", "user_id": "u", "session_id": "s"}
    assert await server.call("PUT", "/agents/default", shown) == shown
    assert server.agent_json() == on_disk


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"running": {"max_iters": 0}}, "running.max_iters"),
        ({"channels": {"feishu": {"domain": "elsewhere"}}}, "channels.feishu.domain"),
        ({"name": None}, "name"),
        ({"running": None}, "running"),
        ({"id": "other"}, "id"),
        ({"workspace_dir": "/elsewhere"}, "workspace_dir"),
    ],
)
async def test_a_change_that_is_not_valid_names_the_field_and_changes_nothing(server, body, field):
    before = server.agent_json()
    error = await server.error("PUT", "/agents/default", body, status=422)
    assert error["field"] == field
    assert field in error["message"]
    assert server.agent_json() == before


async def test_a_change_for_an_old_revision_is_refused(server):
    read = await server.client.get("/api/agents/default")
    await server.call("PUT", "/agents/default", {"name": "First"}, headers={"If-Match": read.headers["ETag"]})
    await server.error(
        "PUT", "/agents/default", {"name": "Second"}, status=409, headers={"If-Match": read.headers["ETag"]}
    )
    assert server.agent_json()["name"] == "First"
    error = await server.error("PUT", "/agents/default", {}, status=422, headers={"If-Match": "newest"})
    assert error["field"] == "If-Match"


async def test_changes_of_different_sections_at_once_are_all_kept(server):
    await asyncio.gather(
        server.call("PUT", "/agents/default", {"name": "Both"}),
        server.call("PUT", "/agent/running-config", {"max_iters": 11}),
        server.call("PUT", "/config/channels/qq", {"app_id": "1"}),
        server.call("PUT", "/agent/system-prompt-files", ["SOUL.md"]),
    )
    after = server.agent_json()
    assert (after["name"], after["running"]["max_iters"]) == ("Both", 11)
    assert (after["channels"]["qq"]["app_id"], after["system_prompt_files"]) == ("1", ["SOUL.md"])


async def test_the_order_is_what_was_asked_for(server):
    agent_id = await new_agent(server)
    wanted = [agent_id, "default"]
    assert await server.call("PUT", "/agents/order", {"agent_ids": wanted}) == {"success": True, "agent_ids": wanted}
    assert [agent["id"] for agent in (await server.call("GET", "/agents"))["agents"]] == wanted


@pytest.mark.parametrize(
    ("agent_ids", "told"),
    [([], "missing: default"), (["default", "x"], "unknown: x"), (["default", "default"], "more than once: default")],
)
async def test_an_order_that_is_no_permutation_says_what_is_wrong(server, agent_ids, told):
    error = await server.error("PUT", "/agents/order", {"agent_ids": agent_ids}, status=422)
    assert error["field"] == "agent_ids"
    assert told in error["message"]


async def test_a_disabled_agent_can_be_seen_changed_and_enabled_but_not_used(server):
    agent_id = await new_agent(server)
    answer = await server.call("PATCH", f"/agents/{agent_id}/toggle", {"enabled": False})
    assert answer == {"success": True, "agent_id": agent_id, "enabled": False}
    assert server.generation(agent_id) == 0
    await server.error("GET", f"/agents/{agent_id}/agent/running-config", status=403)
    await server.error("GET", "/chats", status=403, headers={"X-Agent-Id": agent_id})

    changed = await server.client.put(f"/api/agents/{agent_id}", json={"name": "Asleep"})
    assert changed.json()["name"] == "Asleep"
    assert "X-Reload-Revision" not in changed.headers
    assert (await server.call("GET", f"/agents/{agent_id}"))["name"] == "Asleep"

    response = await server.client.patch(f"/api/agents/{agent_id}/toggle", json={"enabled": True})
    assert await server.reloaded(response, agent_id) == 2
    assert (await server.call("GET", f"/agents/{agent_id}/agent/running-config"))["max_iters"] == 100


async def test_disabling_ends_work_with_that_reason(server):
    agent_id = await new_agent(server)
    _, lease = server.services.manager.acquire(agent_id, "test")
    ended = asyncio.get_running_loop().create_future()
    lease.bind(ended.set_result)
    await server.call("PATCH", f"/agents/{agent_id}/toggle", {"enabled": False})
    assert await ended == EndReason.AGENT_DISABLED
    lease.release()


async def test_a_deleted_agent_is_gone_its_work_ended_and_its_files_kept(server):
    agent_id = await new_agent(server)
    root = server.services.config.workspace_dir(agent_id)
    await server.call("GET", f"/agents/{agent_id}/chats")
    _, lease = server.services.manager.acquire(agent_id, "test")
    ended = asyncio.get_running_loop().create_future()
    lease.bind(ended.set_result)
    assert await server.call("DELETE", f"/agents/{agent_id}") == {"success": True, "agent_id": agent_id}
    assert await ended == EndReason.AGENT_DELETED
    lease.release()
    assert server.generation(agent_id) == 0
    assert (root / "AGENTS.md").exists()
    await server.error("GET", f"/agents/{agent_id}", status=404)
    await server.error("GET", f"/agents/{agent_id}/chats", status=404)


async def test_the_workspace_goes_with_its_agent_if_that_is_asked_for(server):
    agent_id = await new_agent(server)
    root = server.services.config.workspace_dir(agent_id)
    await server.call("GET", f"/agents/{agent_id}/cron/jobs")
    _, lease = server.services.manager.acquire(agent_id, "test")
    lease.bind(lambda _reason: lease.release())
    answer = await server.call("DELETE", f"/agents/{agent_id}?delete_workspace=true")
    assert answer == {"success": True, "agent_id": agent_id, "workspace_deleted": True}
    assert not [path for path in root.parent.iterdir() if agent_id in path.name]
    # An agent of the same directory begins anew, its schedule included.
    again = await new_agent(server, workspace_dir=str(root))
    assert await server.call("GET", f"/agents/{again}/cron/jobs") == []


async def test_a_workspace_elsewhere_or_with_that_of_another_agent_is_not_deleted(server, tmp_path):
    elsewhere = await new_agent(server, workspace_dir=str(tmp_path / "mine"))
    error = await server.error("DELETE", f"/agents/{elsewhere}?delete_workspace=true", status=422)
    assert error["field"] == "delete_workspace"
    outer = await new_agent(server)
    root = server.services.config.workspace_dir(outer)
    inner = await new_agent(server, workspace_dir=str(root / "inner"))
    await server.error("DELETE", f"/agents/{outer}?delete_workspace=true", status=409)
    for agent_id in (elsewhere, outer, inner):
        await server.call("GET", f"/agents/{agent_id}")
    assert (tmp_path / "mine" / "AGENTS.md").exists()


async def test_a_disabled_agent_can_be_deleted(server):
    agent_id = await new_agent(server)
    await server.call("PATCH", f"/agents/{agent_id}/toggle", {"enabled": False})
    await server.call("DELETE", f"/agents/{agent_id}")
    assert [agent["id"] for agent in (await server.call("GET", "/agents"))["agents"]] == ["default"]


async def test_the_default_agent_can_be_neither_deleted_nor_disabled(server):
    await server.error("DELETE", "/agents/default", status=400)
    await server.error("PATCH", "/agents/default/toggle", {"enabled": False}, status=400)
    assert server.generation() == 1


async def test_a_broken_agent_is_listed_with_its_problem(server):
    agent_id = await new_agent(server)
    (server.services.config.workspace_dir(agent_id) / "agent.json").write_text("{")
    await server.call("PUT", f"/agents/{agent_id}", {"name": "x"}, status=500)
    broken = (await server.call("GET", "/agents"))["agents"][-1]
    assert broken["name"] == "Helper"
    assert "agent.json" in broken["problem"]
