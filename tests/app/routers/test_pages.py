"""What is not the API: the built-in page, a build of the console, and pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def build(server, tmp_path):
    """A build of the console that the server serves."""
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<title>the console</title>")
    (root / "assets" / "app-1a2b.js").write_text("run()")
    (root / "theme.css").write_text("a {}")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    server.services.paths = replace(server.services.paths, console_static_dir=root)
    return root


async def test_without_a_console_there_is_a_page_of_our_own(server):
    for path in ("/", "/console", "/console/", "/console/chat", "/anything/else"):
        response = await server.client.get(path)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<title>copaw</title>" in response.text
        assert response.headers["cache-control"] == "no-cache"
    head = await server.client.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_the_pictures_that_pages_of_1_0_2_expect_are_there(server):
    for path in ("/logo.png", "/dark-logo.png", "/copaw-dark.png"):
        response = await server.client.get(path)
        assert response.content.startswith(PNG)
        assert response.headers["content-type"] == "image/png"
    symbol = await server.client.get("/copaw-symbol.svg")
    assert symbol.headers["content-type"] == "image/svg+xml"
    assert symbol.text.startswith("<svg")


async def test_a_build_is_served_and_its_index_for_the_paths_it_routes_itself(server, build):
    for path in ("/", "/console", "/console/chat/1", "/settings"):
        response = await server.client.get(path)
        assert response.text == "<title>the console</title>"
        assert response.headers["cache-control"] == "no-cache"
    for path in ("/assets/app-1a2b.js", "/console/assets/app-1a2b.js"):
        response = await server.client.get(path)
        assert response.text == "run()"
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["etag"]
    assert (await server.client.get("/theme.css")).headers["cache-control"] == "public, max-age=3600"


async def test_a_build_may_bring_its_own_pictures(server, build):
    assert (await server.client.get("/logo.png")).content.startswith(PNG)
    (build / "logo.png").write_bytes(b"own")
    assert (await server.client.get("/logo.png")).content == b"own"


@pytest.mark.parametrize("path", ["/assets/gone-3c4d.js", "/gone.css", "/console/gone.png", "/favicon.ico"])
async def test_a_file_that_is_missing_is_404_and_no_page(server, build, path):
    response = await server.client.get(path)
    assert response.status_code == 404
    assert response.json()["detail"].startswith("There is no")


@pytest.mark.parametrize("path", ["/%2E%2E/outside.txt", "/console/%2E%2E/outside.txt", "/link.txt", "/%2Fetc/passwd"])
async def test_nothing_outside_of_the_build_is_served(server, build, path):
    response = await server.client.get(path)
    assert "secret" not in response.text
    assert "root:" not in response.text


async def test_a_name_that_no_file_can_have_is_no_error_of_ours(server, build):
    for path in ("/" + "x" * 5000, "/a%00b"):
        assert (await server.client.get(path)).status_code == 200


async def test_a_build_without_an_index_says_so(server, build):
    (build / "index.html").unlink()
    response = await server.client.get("/")
    assert response.status_code == 404
    assert "COPAW_CONSOLE_STATIC_DIR" in response.json()["detail"]


async def test_an_operation_at_the_root_is_no_page_with_another_method(server):
    response = await server.client.get("/voice/incoming")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
