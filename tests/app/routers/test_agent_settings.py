from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.config.home import PROMPT_FILES

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"


async def test_the_running_configuration_of_a_new_home_is_that_of_1_0_2(server):
    sample = json.loads((SAMPLES / "running_config.json").read_text())
    shown = await server.call("GET", "/agent/running-config")
    assert {key: shown[key] for key in sample} == sample


async def test_a_client_of_1_0_2_that_saves_the_whole_section_keeps_what_it_does_not_know(server):
    await server.call("PUT", "/agent/running-config", {"reload_grace_seconds": 5, "max_draining": 2})
    sample = json.loads((SAMPLES / "running_config.json").read_text())
    was = server.generation()
    response = await server.client.put("/api/agent/running-config", json={**sample, "max_iters": 7})
    assert await server.reloaded(response) > was
    answer = response.json()
    assert (answer["max_iters"], answer["reload_grace_seconds"], answer["max_draining"]) == (7, 5, 2)
    assert await server.call("GET", "/agent/running-config") == answer
    assert server.services.manager.slot("default").current.snapshot.profile.running.max_iters == 7


async def test_a_nested_field_can_be_changed_alone(server):
    before = await server.call("GET", "/agent/running-config")
    after = await server.call("PUT", "/agent/running-config", {"context_compact": {"memory_compact_ratio": 0.5}})
    before["context_compact"]["memory_compact_ratio"] = 0.5
    assert after == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_iters": 0}, "max_iters"),
        ({"llm_backoff_base": "soon"}, "llm_backoff_base"),
        ({"context_compact": {"memory_compact_ratio": 2}}, "context_compact.memory_compact_ratio"),
    ],
)
async def test_a_running_configuration_that_is_not_valid_names_the_field(server, body, field):
    before = server.agent_json()
    error = await server.error("PUT", "/agent/running-config", body, status=422)
    assert error["field"] == field
    assert server.agent_json() == before


async def test_a_setting_that_would_have_no_effect_is_refused_by_name_and_kept_where_it_was(server):
    body = {"max_iters": 9, "memory_summary": {"force_memory_search": True}}
    before = server.agent_json()
    for path, sent in [("/agent/running-config", body), ("/agents/default", {"running": body})]:
        error = await server.error("PUT", path, sent, status=501)
        assert "running.memory_summary.force_memory_search" in error["message"]
    assert server.agent_json() == before
    path = server.services.config.workspace_dir("default") / "agent.json"
    before["running"]["memory_summary"]["force_memory_search"] = True
    path.write_text(json.dumps(before))
    changed = await server.call("PUT", "/agent/running-config", {**before["running"], "max_iters": 9})
    assert (changed["max_iters"], changed["memory_summary"]["force_memory_search"]) == (9, True)


async def test_a_body_that_is_no_object_is_refused(server):
    await server.call("PUT", "/agent/running-config", [1], status=422)


async def test_an_old_revision_is_refused(server):
    old = (await server.client.get("/api/agent/running-config")).headers["ETag"]
    await server.call("PUT", "/agent/running-config", {"max_iters": 5}, headers={"If-Match": old})
    for path, body in [("/agent/running-config", {}), ("/agent/system-prompt-files", [])]:
        await server.error("PUT", path, body, status=409, headers={"If-Match": old})


async def test_the_agent_comes_from_path_or_header(server):
    response = await server.client.post("/api/agents", json={"name": "Helper"})
    agent_id = response.json()["id"]
    await server.call("PUT", f"/agents/{agent_id}/agent/running-config", {"max_iters": 3})
    by_header = await server.call("GET", "/agent/running-config", headers={"X-Agent-Id": agent_id})
    assert by_header["max_iters"] == 3
    assert (await server.call("GET", "/agent/running-config"))["max_iters"] == 100
    await server.error("GET", "/agents/nobody/agent/running-config", status=404)


async def test_the_system_prompt_files_can_be_chosen(server):
    assert await server.call("GET", "/agent/system-prompt-files") == ["AGENTS.md", "SOUL.md", "PROFILE.md"]
    was = server.generation()
    response = await server.client.put("/api/agent/system-prompt-files", json=["SOUL.md", "EXTRA.md"])
    assert response.json() == ["SOUL.md", "EXTRA.md"]
    assert await server.reloaded(response) > was
    assert await server.call("GET", "/agent/system-prompt-files") == ["SOUL.md", "EXTRA.md"]


async def test_a_system_prompt_file_outside_the_workspace_is_refused(server):
    for name in ["../x.md", "a/b.md", "a\\b.md", "..", ".hidden", "", "a\0", "x" * 300]:
        error = await server.error("PUT", "/agent/system-prompt-files", ["SOUL.md", name], status=422)
        assert error["field"] == "system_prompt_files.1"
    assert server.agent_json()["system_prompt_files"] == ["AGENTS.md", "SOUL.md", "PROFILE.md"]


async def test_a_system_prompt_file_given_twice_is_refused(server):
    await server.error("PUT", "/agent/system-prompt-files", ["SOUL.md", "SOUL.md"], status=422)


async def test_another_language_replaces_the_prompt_files_that_nobody_edited(server):
    root = server.services.config.workspace_dir("default")
    assert await server.call("GET", "/agent/language") == {"language": "en", "agent_id": "default"}
    (root / "SOUL.md").write_text("mine")
    (root / "PROFILE.md").unlink()
    (root / "BOOTSTRAP.md").unlink()
    english = (root / "AGENTS.md").read_text()
    response = await server.client.put("/api/agent/language", json={"language": "zh"})
    answer = response.json()
    assert (answer["language"], answer["agent_id"]) == ("zh", "default")
    assert set(answer["copied_files"]) == set(PROMPT_FILES) - {"SOUL.md"}
    assert (root / "SOUL.md").read_text() == "mine"
    assert not (root / "BOOTSTRAP.md").exists()
    assert (root / "AGENTS.md").read_text() != english
    await server.reloaded(response)
    again = await server.call("PUT", "/agent/language", {"language": "zh"})
    assert again["copied_files"] == []
    await server.call("PUT", "/agent/language", {"language": "en"})
    assert (root / "AGENTS.md").read_text() == english


async def test_a_language_that_is_none_is_refused(server):
    for body in [{}, {"language": 5}, {"language": ""}, {"language": "../zh"}]:
        error = await server.error("PUT", "/agent/language", body, status=422)
        assert error["field"] == "language"
    assert server.agent_json()["language"] == "en"
