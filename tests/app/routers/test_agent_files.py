from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "contract" / "samples" / "agent_files.json"


async def test_prompt_files_are_listed_as_in_1_0_2(server):
    sample = json.loads(SAMPLE.read_text())
    listed = await server.call("GET", "/agent/files")
    assert {entry["filename"] for entry in listed} == {entry["filename"] for entry in sample}
    assert all(entry.keys() == sample[0].keys() for entry in listed)
    root = server.services.config.workspace_dir("default")
    entry = next(entry for entry in listed if entry["filename"] == "SOUL.md")
    assert (entry["path"], entry["size"]) == (str(root / "SOUL.md"), (root / "SOUL.md").stat().st_size)


@pytest.mark.parametrize("kind", ["files", "memory"])
async def test_what_was_written_is_read_with_and_without_its_suffix(server, kind):
    was = server.generation()
    response = await server.client.put(f"/api/agent/{kind}/NOTES", json={"content": "Grüße\r\n"})
    assert response.json() == {"written": True}
    assert "X-Reload-Revision" not in response.headers
    for name in ("NOTES", "NOTES.md"):
        assert await server.call("GET", f"/agent/{kind}/{name}") == {"content": "Grüße\r\n"}
    assert "NOTES.md" in [entry["filename"] for entry in await server.call("GET", f"/agent/{kind}")]
    assert server.generation() == was


async def test_memory_and_prompt_files_are_apart(server):
    await server.call("PUT", "/agent/memory/2026-01-01", {"content": "x"})
    assert (server.services.config.workspace_dir("default") / "memory" / "2026-01-01.md").read_text() == "x"
    await server.error("GET", "/agent/files/2026-01-01", status=404)


async def test_a_missing_memory_directory_is_empty(server):
    (server.services.config.workspace_dir("default") / "memory").rmdir()
    assert await server.call("GET", "/agent/memory") == []
    await server.call("PUT", "/agent/memory/new", {"content": "x"})


ELSEWHERE = ["..%2F..%2Fconfig", "%2e%2e%2fagent", "a%5Cb", ".hidden", "a%00", "a%2Fb", "x" * 300]


@pytest.mark.parametrize("kind", ["files", "memory"])
async def test_a_name_that_leads_elsewhere_is_refused(server, kind):
    for name, (method, body) in product(ELSEWHERE, [("GET", None), ("PUT", {"content": "x"})]):
        error = await server.error(method, f"/agent/{kind}/{name}", body, status=422)
        assert error["field"] == "md_name"
    assert not list(server.paths.working_dir.parent.rglob("config.md"))


async def test_a_missing_file_is_not_found(server):
    await server.error("GET", "/agent/files/NONE", status=404)


async def test_a_directory_in_the_way_is_not_taken_for_a_file(server):
    (server.services.config.workspace_dir("default") / "D.md").mkdir()
    await server.error("GET", "/agent/files/D", status=404)
    await server.error("PUT", "/agent/files/D", {"content": "x"}, status=422)
    assert "D.md" not in [entry["filename"] for entry in await server.call("GET", "/agent/files")]


async def test_a_file_that_is_not_text_is_not_shown_spoiled(server):
    (server.services.config.workspace_dir("default") / "B.md").write_bytes(b"\xff\xfe")
    await server.error("GET", "/agent/files/B", status=409)


async def test_text_that_no_file_can_hold_is_refused(server):
    headers = {"Content-Type": "application/json"}
    response = await server.client.put("/api/agent/files/S", content=rb'{"content": "\ud800"}', headers=headers)
    assert response.status_code == 422
    answer = await server.call("PUT", "/agent/files/S", {"text": "x"}, status=422)
    assert answer["detail"][0]["loc"] == ["body", "content"]
