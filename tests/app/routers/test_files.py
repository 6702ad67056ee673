"""Showing files: which ones, and that nothing in them can run."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import quote

import pytest


@pytest.fixture
def workspace(server):
    return server.services.config.workspace_dir("default")


async def fetch(server, path, *, status=200, method="GET", **headers):
    name = quote(str(path), safe="/").replace("..", "%2E%2E")  # as they are, the client would resolve them itself
    response = await server.client.request(method, f"/api/files/preview/{name}", headers=headers)
    assert response.status_code == status, response.text
    return response


async def test_a_file_of_a_workspace_is_shown_by_every_form_of_its_path(server, workspace):
    (workspace / "media").mkdir(exist_ok=True)
    (workspace / "media" / "a cat.png").write_bytes(b"\x89PNG")
    path = workspace / "media" / "a cat.png"
    for form in (path, str(path)[1:], "media/a cat.png", "a cat.png"):
        response = await fetch(server, form)
        assert response.content == b"\x89PNG"
        assert response.headers["content-type"] == "image/png"
        assert response.headers["content-disposition"].startswith("inline")
        assert "content-security-policy" not in response.headers


async def test_what_was_uploaded_can_be_shown(server):
    response = await server.client.post("/api/console/upload", files={"file": ("n.txt", b"hello")})
    shown = await fetch(server, response.json()["url"])
    assert (shown.content, shown.headers["content-type"]) == (b"hello", "text/plain; charset=utf-8")


async def test_a_part_of_a_file_and_its_head(server, workspace):
    (workspace / "clip.mp4").write_bytes(b"0123456789")
    part = await fetch(server, workspace / "clip.mp4", status=206, Range="bytes=2-4")
    assert (part.content, part.headers["content-range"]) == (b"234", "bytes 2-4/10")
    head = await fetch(server, workspace / "clip.mp4", method="HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "10")
    await fetch(server, workspace / "clip.mp4", status=416, Range="bytes=99-")


@pytest.mark.parametrize(
    ("name", "media_type", "sandboxed"),
    [
        ("page.html", "text/html; charset=utf-8", True),
        ("drawing.svg", "image/svg+xml", True),
        ("page.xhtml", "application/xhtml+xml", True),
        ("strange.unknown-kind", "application/octet-stream", True),
        ("script.js", "text/plain; charset=utf-8", False),
        ("notes.md", "text/plain; charset=utf-8", False),
        ("report.pdf", "application/pdf", False),
        ("voice.mp3", "audio/mpeg", False),
    ],
)
async def test_nothing_runs_as_a_script_of_this_server(server, workspace, name, media_type, sandboxed):
    (workspace / name).write_text("<script>alert(1)</script>")
    response = await fetch(server, name)
    assert response.headers["content-type"] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers.get("content-security-policy", "").startswith("sandbox;") is sandboxed


async def test_what_lies_elsewhere_is_refused_whether_it_is_there_or_not(server, workspace, tmp_path):
    (tmp_path / "outside.txt").write_text("x")
    (server.paths.secret_dir).mkdir(exist_ok=True)
    (server.paths.secret_dir / "envs.json").write_text("{}")
    (workspace / "link.txt").symlink_to(tmp_path / "outside.txt")
    (workspace / "up").symlink_to(tmp_path)
    for path in (
        "/etc/passwd",
        "/etc/nothing-like-this",
        tmp_path / "outside.txt",
        f"{workspace}/../../../outside.txt",
        "../../../outside.txt",
        workspace / "link.txt",
        workspace / "up" / "outside.txt",
        server.paths.secret_dir / "envs.json",
        server.paths.config_file,
        workspace / "agent.json",
        "agent.json",
    ):
        response = await fetch(server, path, status=403)
        assert response.json()["error"]["code"] == "FORBIDDEN", path


async def test_secrets_are_refused_although_they_lie_in_a_workspace(server, paths):
    body = {"name": "All", "workspace_dir": str(paths.working_dir.parent)}
    response = await server.client.post("/api/agents", json=body)
    assert response.status_code == 201
    await asyncio.to_thread(server.services.envs.set, "A", "1")
    await fetch(server, paths.secret_dir / "envs.json", status=403)
    await fetch(server, paths.config_file, status=403)


async def test_what_is_no_file_is_404(server, workspace):
    os.mkfifo(workspace / "pipe")
    for path in (
        workspace / "missing.txt",
        workspace,
        workspace / "pipe",
        f"{workspace}/{'x' * 300}",
        "etc/passwd",
        "x",
    ):
        await fetch(server, path, status=404)
    await fetch(server, "", status=404)


async def test_a_name_that_is_not_utf_8_can_be_shown(server, workspace):
    (workspace / os.fsdecode(b"caf\xe9.txt")).write_text("coffee")
    (workspace / "link.txt").symlink_to(os.fsdecode(b"caf\xe9.txt"))
    assert (await fetch(server, workspace / "link.txt")).text == "coffee"
