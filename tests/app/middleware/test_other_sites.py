"""A page of another site, and everybody who is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from copaw.app._app import create_app
from copaw.app.middleware.other_sites import RefuseOtherSites

HOST = "127.0.0.1:8088"


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def status(method: str, headers: dict[str, str], trusted: tuple[str, ...] = ()) -> int:
    transport = httpx.ASGITransport(app=RefuseOtherSites(ok, trusted))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        answer = await client.request(method, "/api/agent/process", headers=headers, content=b"{}")
    if answer.status_code != 200:
        assert "COPAW_CORS_ORIGINS" in answer.json()["detail"]
        assert answer.json()["error"]["code"] == "FORBIDDEN"
    return answer.status_code


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl, the command line, another server
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{HOST}"},
        {"Sec-Fetch-Site": "none"},
        # behind a proxy that sends another Host, and through the development server of a console
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://copaw.example", "Host": "127.0.0.1:8088"},
        # without Fetch Metadata: over plain HTTP on a network, or an old browser
        {"Origin": f"http://{HOST}"},
        {"Origin": "http://NAS.local:8088", "Host": "nas.local:8088"},
        {"Origin": "https://copaw.example", "X-Forwarded-Host": "copaw.example"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_everybody_else_passes(method: str, headers: dict[str, str]) -> None:
    assert await status(method, headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:5173"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://[::1"},
        {"Origin": f"http://{HOST}.evil.example"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_another_site_is_refused(method: str, headers: dict[str, str]) -> None:
    assert await status(method, headers) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reading_is_left_to_the_browser_which_hides_the_answer(method: str) -> None:
    assert await status(method, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}) == 200


@pytest.mark.parametrize("trusted", [("https://console.example",), ("https://console.example/",), ("*",)])
async def test_a_site_that_is_listed_passes(trusted: tuple[str, ...]) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://Console.example"}
    assert await status("POST", headers, trusted) == 200
    assert await status("POST", {"Origin": "https://console.example"}, trusted) == 200


@pytest.mark.parametrize(
    ("host", "wanted"), [("localhost:8088", 200), ("127.0.0.1", 200), ("evil.example:8088", 400), ("", 400)]
)
async def test_a_server_that_knows_its_names_answers_to_no_other(
    monkeypatch: pytest.MonkeyPatch, host: str, wanted: int
) -> None:
    monkeypatch.setenv("COPAW_ALLOWED_HOSTS", "localhost, 127.0.0.1")
    app = create_app()
    # Rebinding: the page and the server have one name, so the browser sees one site.
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        app.state.services = SimpleNamespace(authentication=SimpleNamespace(enabled=False))
        assert (await client.get("/healthz", headers=headers)).status_code == wanted


async def test_a_listed_site_does_not_open_the_door_to_others() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert await status("POST", headers, ("https://console.example",)) == 403
