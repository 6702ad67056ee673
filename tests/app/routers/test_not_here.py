"""What is not in this version says so, wherever 1.0.2 had it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from copaw.app.routers import not_here

CONTRACT = json.loads((Path(__file__).parents[2] / "contract" / "http.json").read_text())
ABSENT = ("/api/skills", "/api/config/security", "/api/local-models", "/voice")
MIRRORS = CONTRACT["agent_scoped"]["mirrors"]
OPERATIONS = [
    (method.upper(), path)
    for path, methods in CONTRACT["paths"].items()
    if path.startswith(ABSENT)
    for method in methods
]


def _filled(path: str) -> str:
    return re.sub(r"{\w+}", "x", path)


def test_the_tables_hold_exactly_the_operations_of_1_0_2():
    scoped = {
        (method, f"/api{path}")
        for table in (not_here.SKILLS, not_here.GUARDS, not_here.LOCAL_MODELS)
        for method, path in not_here.operations(table)
    }
    listed = scoped | set(not_here.operations(not_here.VOICE))
    assert {(method, path.replace(":path}", "}")) for method, path in listed} == set(OPERATIONS)
    assert len(OPERATIONS) > 60


async def test_each_answers_501_with_a_way_out_for_the_server_and_for_each_agent(server):
    for method, path in OPERATIONS:
        paths = [path]
        if path.removeprefix("/api") in MIRRORS:
            paths.append(path.replace("/api", "/api/agents/default", 1))
        for one in paths:
            response = await server.client.request(method, _filled(one))
            assert response.status_code == 501, (method, one, response.text)
            error = response.json()["error"]
            assert error["code"] == "NOT_IMPLEMENTED"
            assert re.search(r"not available|does not", error["message"])
            assert "nstead" in error["message"] or ": PUT" in error["message"] or ": GET" in error["message"]


async def test_a_page_that_asks_for_them_again_and_again_does_not_fill_the_log(server, caplog):
    await server.error("GET", "/skills", status=501)
    assert "NOT_IMPLEMENTED" not in caplog.text


async def test_an_agent_that_does_not_exist_is_told_first(server):
    error = await server.error("GET", "/agents/nobody/skills", status=404)
    assert error["code"] == "AGENT_NOT_FOUND"


async def test_a_file_of_a_skill_may_lie_in_folders(server):
    await server.error("GET", "/skills/pdf/files/references/a/b.md", status=501)


async def test_what_the_configuration_says_of_them_is_left_alone(server):
    before = server.paths.config_file.read_text(), server.agent_json()
    await server.error("PUT", "/config/security/tool-guard", {"enabled": False}, status=501)
    await server.error("DELETE", "/config/security/skill-scanner/blocked-history", status=501)
    assert (server.paths.config_file.read_text(), server.agent_json()) == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/skills", "GET, POST"),
        ("POST", "/api/agents/default/skills/x/config", "GET, PUT, DELETE"),
        ("GET", "/api/agents/order/toggle", "PATCH"),
        ("DELETE", "/api/version", "GET"),
        ("GET", "/voice/incoming", "POST"),
    ],
)
async def test_another_method_is_405_and_says_which_there_are(server, method, path, allowed):
    response = await server.client.request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed
    assert allowed in response.json()["detail"]


async def test_an_unknown_path_is_404_in_json_whatever_the_method(server):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = await server.client.request(method, "/api/nothing/here")
        assert response.status_code == 404
        assert "/api/nothing/here" in response.json()["detail"]
