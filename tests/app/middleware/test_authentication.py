"""Log-in is on: what is open, what is not, and whether a request can be spelled so that it gets in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from copaw.app.middleware.authentication import PUBLIC, RequireLogin, is_public, query_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ("/", "/console", "/console/{rest}", "/{rest}")


def operations(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of everything the application serves."""
    for route in routes:
        contexts = vars(type(route)).get("effective_route_contexts")
        for one in contexts(route) if callable(contexts) else [route]:
            path = re.sub(r"\{(\w+):path\}", r"{\1}", one.path)
            yield from ((method, path) for method in one.methods or ("GET",))


def a_path(template: str) -> str:
    return re.sub(r"\{\w+\}", "default", template)


async def test_every_operation_but_the_public_ones_asks_for_a_token(locked: Any) -> None:
    asked = {}
    for method, path in sorted(set(operations(locked.app.routes))):
        if path not in (*PUBLIC, *PAGES):
            asked[method, path] = await locked.client.request(method, a_path(path))
    assert len(asked) > 150
    assert {operation for operation, answer in asked.items() if answer.status_code != 401} == set()
    for answer in asked.values():
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        if answer.request.method != "HEAD":
            assert answer.json()["error"] == {"code": "UNAUTHENTICATED", "message": answer.json()["detail"]}


async def test_every_read_that_is_protected_answers_something_else_with_a_token(locked: Any) -> None:
    paths = {a_path(path) for method, path in operations(locked.app.routes) if method == "GET"}
    streams = {path for path in paths if path.endswith("/mcp")}  # asks for the local token besides
    refused = []
    for path in sorted(paths - streams):
        answer = await locked.client.get(path, headers=locked.bearer)
        refused += [path] if answer.status_code == 401 else []
    assert refused == []


async def test_what_is_public_is_served(locked: Any) -> None:
    for path in ("/healthz", "/readyz", "/api/auth/status", "/", "/console/chats", "/chat/1"):
        assert (await locked.client.get(path)).status_code == 200, path
    assert (await locked.client.get("/a/b.js")).status_code == 404
    assert (await locked.client.get("/readyz")).json() == {"status": "ready"}
    registered = await locked.client.post("/api/auth/register", json={"username": "you", "password": "x"})
    assert registered.status_code == 403
    assert (await locked.client.post("/api/auth/login", json={})).status_code == 422


TRICKS = [
    *("/api", "/api/", "/api//agents", "/api/./agents", "/api/../api/agents", "/api/agents/", "/api/agents/."),
    *("/api/agents\n", "/metrics\n", "/mcp\n", "/openapi.json\n", "/docs\n", "/metrics/", "/mcp/", "/api/auth/login/"),
    *(
        "/api/auth/login\n",
        "/api/auth/status/../../agents",
        "/healthz\n/api/agents",
        "/api/auth/login/../update-profile",
    ),
]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND"])
async def test_no_spelling_of_an_operation_gets_in(locked: Any, path: str, method: str) -> None:
    status, _ = await locked.raw(path, method)
    assert status == 401


@pytest.mark.parametrize(
    "path",
    [
        *("//api/agents", "//metrics", "/./api/agents", "/x/../api/agents", "/API/agents", "/Metrics", "/%61pi/agents"),
        *(
            "/api%2Fagents",
            "/ api/agents",
            "api/agents",
            "\\api\\agents",
            "/healthz/../metrics",
            "/console/../api/agents",
        ),
        *("/metrics;x", "/metrics.", "/mcp ", "/api;/agents", "http://copaw/api/agents"),
    ],
)
async def test_what_only_looks_like_an_operation_is_a_page_or_nothing(locked: Any, path: str) -> None:
    status, body = await locked.raw(path)
    assert status == 404 or b"<!doctype html>" in body
    assert (await locked.raw(path, "POST"))[0] == 401


async def test_below_another_application_the_same_is_protected(locked: Any) -> None:
    for path in ("/below/api/agents", "/below/metrics", "/below/mcp"):
        assert (await locked.raw(path, root_path="/below"))[0] == 401
    assert (await locked.raw("/below/healthz", root_path="/below"))[0] == 200
    assert (await locked.raw("/below/api/auth/status", root_path="/below"))[0] == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer null", "Bearer undefined", "Basic bWU6c2VjcmV0", "Token x", "Bearer \xff", "me"],
)
async def test_a_header_that_proves_nothing(locked: Any, value: str) -> None:
    answer = await locked.client.get("/api/agents", headers={"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401


async def test_two_tokens_are_none(locked: Any) -> None:
    header = ("Authorization", f"Bearer {locked.token}")
    assert (await locked.client.get("/api/agents", headers=[header])).status_code == 200
    assert (await locked.client.get("/api/agents", headers=[header, header])).status_code == 401


async def test_the_local_token_is_for_this_machine(locked: Any) -> None:
    bearer = {"Authorization": f"Bearer {locked.local_token}"}
    assert (await locked.client.get("/api/agents", headers=bearer)).status_code == 401
    async with locked.client_at("127.0.0.1") as here:
        assert (await here.get("/api/agents")).status_code == 401
        assert (await here.get("/api/agents", headers=bearer)).status_code == 200
        assert (await here.get("/metrics", headers=bearer)).status_code == 200


async def test_a_token_in_the_address_counts_for_streams_and_shown_files_alone(locked: Any) -> None:
    token = locked.token
    for path in ("/api/tasks/x/events", "/api/agents/default/tasks/x/events", "/api/files/preview/a/b.png"):
        assert (await locked.client.get(f"{path}?token={token}")).status_code != 401, path
        assert (await locked.client.get(f"{path}?token=x")).status_code == 401
        assert (await locked.client.get(f"{path}?token={token}&token={token}")).status_code == 401
    path = "/api/agent/compatible-mode/v1/responses/x"
    assert (await locked.client.get(f"{path}?stream=true&token={token}")).status_code == 404
    assert (await locked.client.delete(f"/api/tasks/x/events?token={token}")).status_code == 401
    for other in ("/api/agents", "/api/tasks/x", "/api/tasks", "/metrics", "/api/config/channels/x/qrcode/status"):
        assert (await locked.client.get(f"{other}?token={token}")).status_code == 401, other


async def test_cors_stands_before_it(locked: Any) -> None:
    origin = {"Origin": "https://console.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = await locked.client.options("/api/agents", headers={**origin, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    refused = await locked.client.get("/api/agents", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == origin["Origin"], "or a page could not read the 401"


async def test_a_socket_is_closed_before_it_opens(locked: Any) -> None:
    for headers, path in (([], "/api/x"), ([(b"authorization", b"Bearer x")], "/"), ([], "/healthz")):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "root_path": ""}
        await locked.app({**scope, "client": ("192.0.2.7", 5), "server": ("copaw", 80)}, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]
        assert sent[0]["code"] == 1008


class Spy:
    """An application that only remembers with what it was called."""

    def __init__(self) -> None:
        self.called: list[tuple[Any, ...]] = []

    async def __call__(self, *arguments: Any) -> None:
        self.called.append(arguments)


async def test_a_request_that_may_pass_is_handed_on_as_it_is(locked: Any) -> None:
    spy = Spy()
    headers = [(b"authorization", f"Bearer {locked.token}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/x", "headers": headers, "app": locked.app}

    async def receive() -> Any: ...
    async def send(message: Any) -> None: ...

    await RequireLogin(spy)(scope, receive, send)
    assert spy.called == [(scope, receive, send)]
    assert all(given is sent for given, sent in zip(spy.called[0], (scope, receive, send), strict=True))
    lifespan = {"type": "lifespan"}
    await RequireLogin(spy)(lifespan, receive, send)
    assert spy.called[1] == (lifespan, receive, send)


async def test_the_public_list_does_not_grow_by_itself() -> None:
    assert sorted(PUBLIC) == ["/api/auth/login", "/api/auth/register", "/api/auth/status", "/healthz", "/readyz"]
    for path in PUBLIC:
        scope = {"method": "GET", "path": path, "query_string": b"token=x"}
        assert is_public(scope)
        assert query_token(scope) is None
