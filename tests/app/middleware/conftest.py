"""A whole application with log-in on, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from copaw.app._app import create_app
from copaw.config.home import make_home
from copaw.paths import Paths


@dataclass
class Locked:
    """:param client: without a token, from another machine. :param token: of the account ``me``."""

    app: FastAPI
    client: httpx.AsyncClient
    token: str
    local_token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client_at(self, address: str) -> httpx.AsyncClient:
        """A client that calls from this address."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=(address, 5)), base_url="http://copaw"
        )

    async def raw(self, path: str, method: str = "GET", **fields: Any) -> tuple[int, bytes]:
        """Status and body for a path exactly as it is given, decoded."""
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"copaw")],
            "client": ("192.0.2.7", 5),
            "server": ("copaw", 80),
            **fields,
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Locked]:
    """One for the tests of a module, which only ask."""
    home = tmp_path_factory.mktemp("locked")
    variables = {
        "COPAW_WORKING_DIR": str(home / "copaw"),
        "COPAW_SECRET_DIR": str(home / "copaw.secret"),
        "COPAW_AUTH_ENABLED": "true",
        "COPAW_AUTH_USERNAME": "me",
        "COPAW_AUTH_PASSWORD": "secret",
        "COPAW_OPENAPI_DOCS": "1",
        "COPAW_CORS_ORIGINS": "https://console.example",
    }
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in variables.items():
            patch.setenv(name, value)
        paths = Paths.from_environment()
        make_home(paths, language="en")
        app = create_app(paths)
        await stack.enter_async_context(app.router.lifespan_context(app))
        await app.state.services.ready.wait()
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 5))
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://copaw"))
        answer = await client.post("/api/auth/login", json={"username": "me", "password": "secret"})
        local = app.state.services.secrets.read("local_token")["token"]
        yield Locked(app, client, answer.json()["token"], local)
