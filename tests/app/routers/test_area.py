"""A router that is entered only for its own paths answers as it would without."""

from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount
from starlette.types import Scope

from copaw.app.routers.area import Area

CALLS = [
    ("GET", "/api/things", 200, "all"),
    ("GET", "/api/things/a", 200, "thing a"),
    ("PUT", "/api/things/a", 200, "put a"),
    ("GET", "/api/things/a/parts/b/c", 200, "a: b/c"),
    ("GET", "/api/other", 200, "other"),
    ("GET", "/api/agents/x/things/a", 200, "thing a"),
    ("PUT", "/api/agents/x/things/a", 200, "put a"),
    ("DELETE", "/api/things/a", 405, ""),
    ("GET", "/api/things/a/nothing", 404, ""),
    ("GET", "/api/thing", 404, ""),
    ("GET", "/api/agents/x/y/things", 404, ""),
    ("GET", "/things", 404, ""),
]


def things() -> APIRouter:
    router = APIRouter(prefix="/things")

    @router.get("", response_class=PlainTextResponse)
    async def everything() -> str:
        return "all"

    @router.get("/{name}", response_class=PlainTextResponse)
    async def thing(name: str) -> str:
        return f"thing {name}"

    @router.put("/{name}", response_class=PlainTextResponse)
    async def put(name: str) -> str:
        return f"put {name}"

    @router.get("/{name}/parts/{part:path}", response_class=PlainTextResponse)
    async def part(name: str, part: str) -> str:
        return f"{name}: {part}"

    return router


def other() -> APIRouter:
    router = APIRouter()

    @router.get("/other", response_class=PlainTextResponse)
    async def there() -> str:
        return "other"

    return router


def application() -> FastAPI:
    app = FastAPI()
    for prefix in ("/api", "/api/agents/{agentId}"):
        for router in (things(), other()):
            app.include_router(Area(router, prefix), prefix=prefix)
    return app


@pytest.mark.parametrize(("method", "path", "status", "text"), CALLS)
async def test_every_path_finds_its_route(method: str, path: str, status: int, text: str) -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    if text:
        assert answer.text == text


async def test_a_route_is_made_ready_only_when_somebody_means_its_area(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []
    entering = APIRouter.matches

    def matches(self: APIRouter, scope: Scope) -> tuple[Match, Scope]:
        entered.append(scope["path"])
        return entering(self, scope)

    monkeypatch.setattr(APIRouter, "matches", matches)
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/api/nothing")).status_code == 404
        assert entered == []
        assert (await client.get("/api/other")).status_code == 200
    assert set(entered) == {"/api/other"}


def test_only_http_routes_have_an_area() -> None:
    with pytest.raises(TypeError, match="HTTP routes only"):
        Area(APIRouter(routes=[Mount("/files", PlainTextResponse("x"))]), "/api")
