"""The short way to an operation answers as the long one does."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.app._app import app
from copaw.app.routers.direct import ROUTES

ASKED = {"input": [{"role": "user", "content": [{"type": "text", "text": "say hello"}]}], "session_id": "s"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_each_is_a_described_operation(route: Any) -> None:
    described = app.openapi()["paths"][route.path]
    assert route.methods <= {method.upper() for method in described}


async def both(server: Any, method: str, path: str, **kwargs: Any) -> list[Any]:
    """The answers of the direct route and of the one below the agent."""
    paths = (f"/api{path}", f"/api/agents/default{path}")
    return [await server.client.request(method, each, **kwargs) for each in paths]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/agent/process/task", b"{oops", 422),
        ("POST", "/agent/process/task", b'{"input": 7}', 422),
        ("POST", "/agent/process/task", b"", 422),
        ("GET", "/agent/process/task", b"", 405),
        ("GET", "/agent/process/task/nobody", b"", 200),
        ("HEAD", "/agent/process/task/nobody", b"", 405),
        ("DELETE", "/agent/process/task/nobody", b"", 405),
        ("GET", "/agent/process/task/a/b", b"", 404),
        ("POST", "/agent/process", b"{oops", 200),
        ("POST", "/agent/process/", b"{}", 404),
        ("POST", "/console/chat", b"{oops", 200),
        ("PUT", "/console/chat", b"{}", 405),
    ],
)
async def test_what_is_wrong_is_said_alike(server: Any, method: str, path: str, body: bytes, status: int) -> None:
    direct, described = await both(server, method, path, content=body)
    assert direct.status_code == status
    for name in ("content-type", "allow"):
        assert direct.headers.get(name) == described.headers.get(name)
    assert described.status_code == status
    assert direct.text == described.text.replace("/agents/default", "")


async def test_who_is_not_there_is_not_found(server: Any) -> None:
    for path in ("/agent/process", "/agent/process/task", "/console/chat"):
        error = await server.error("POST", path, ASKED, status=404, headers={"X-Agent-Id": "nobody"})
        assert error["code"] == "AGENT_NOT_FOUND"


async def test_a_task_is_accepted_once_for_its_key_and_told_alike(server: Any) -> None:
    accepted = [answer.json() for answer in await both(server, "POST", "/agent/process/task", json=ASKED)]
    assert accepted[0].keys() == accepted[1].keys()
    key = {"Idempotency-Key": "k"}
    first, second = await both(server, "POST", "/agent/process/task", json=ASKED, headers=key)
    assert first.json()["task_id"] == second.json()["task_id"]
    await server.services.tasks.wait(first.json()["task_id"])
    direct, described = await both(server, "GET", f"/agent/process/task/{first.json()['task_id']}")
    assert direct.json()["status"] == "finished"
    assert direct.content == described.content


@pytest.mark.parametrize("path", ["/agent/process", "/console/chat"])
async def test_a_run_is_streamed_alike(server: Any, path: str) -> None:
    direct, described = await both(server, "POST", path, json=ASKED)
    assert direct.headers.items() == described.headers.items()
    assert [line.partition(":")[0] for line in direct.text.splitlines()] == [
        line.partition(":")[0] for line in described.text.splitlines()
    ]
    assert '"hello"' in direct.text
