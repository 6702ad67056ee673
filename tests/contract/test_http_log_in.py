"""Log-in: its own operations, and that no other one of the contract answers without a token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENVIRON = {"COPAW_AUTH_ENABLED": "true"}
CONTRACT = json.loads(Path(__file__).with_name("http.json").read_text("utf-8"))
OPEN = re.compile(r"/api/auth/(status|login|register)|/(?!api/).*")
"""What one needs to log in, and the files of the console."""

ACCOUNT = {"username": "ada", "password": "not so easy to guess"}
BAD = [
    ("register", {}, "username"),
    ("register", {"username": "u"}, "password"),
    ("register", {"username": ["u"], "password": "p"}, "username"),
    ("register", {"username": "", "password": "long enough to be one"}, "username"),
    ("register", {"username": "u", "password": ""}, "password"),
    ("login", {"username": "u"}, "password"),
    ("login", {"username": "u", "password": 5}, "password"),
    ("login", "text", ""),
]


def protected() -> list[tuple[str, str]]:
    found = []
    for path, methods in CONTRACT["paths"].items():
        mirrored = path.removeprefix("/api") in CONTRACT["agent_scoped"]["mirrors"]
        for url in (path, path.replace("/api", "/api/agents/default", 1))[: 1 + mirrored]:
            found += [(method.upper(), url) for method in methods if not OPEN.fullmatch(path) or method == "post"]
    return [(method, url) for method, url in found if not re.fullmatch(r"/api/auth/(login|register)", url)]


async def send(world: Any, method: str, path: str, body: Any = None, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await world.send(method, path, json=body, headers=headers)


@pytest.mark.parametrize(("operation", "body", "field"), BAD)
async def test_a_bad_body_is_refused_with_the_name_of_the_field(
    world: Any, operation: str, body: Any, field: str
) -> None:
    response = await send(world, "POST", f"/api/auth/{operation}", body)
    assert response.status_code in (400, 422), response.text
    assert field in response.text
    assert (await send(world, "GET", "/api/auth/status")).json() == {"enabled": True, "has_users": False}


async def test_one_registers_logs_in_and_changes_the_password(world: Any) -> None:
    registered = await send(world, "POST", "/api/auth/register", ACCOUNT)
    assert (registered.status_code, registered.json()["username"]) == (200, "ada")
    assert (await send(world, "POST", "/api/auth/register", ACCOUNT)).status_code in (403, 409)
    assert (await send(world, "POST", "/api/auth/login", {**ACCOUNT, "password": "guess"})).status_code == 401
    logged_in = await send(world, "POST", "/api/auth/login", ACCOUNT)
    assert (logged_in.status_code, logged_in.json()["username"]) == (200, "ada")
    token = logged_in.json()["token"]
    verified = await send(world, "GET", "/api/auth/verify", token=token)
    assert verified.json() == {"valid": True, "username": "ada"}
    new = {"current_password": ACCOUNT["password"], "new_password": "another hard one"}
    assert (await send(world, "POST", "/api/auth/update-profile", new)).status_code == 401
    assert (await send(world, "POST", "/api/auth/update-profile", {}, token=token)).status_code == 422
    changed = await send(world, "POST", "/api/auth/update-profile", new, token=token)
    assert changed.status_code == 200, changed.text
    assert (await send(world, "GET", "/api/auth/verify", token=token)).status_code == 401
    assert (await send(world, "GET", "/api/agents", token=changed.json()["token"])).status_code == 200


async def test_nothing_else_answers_without_a_token(world: Any) -> None:
    operations = protected()
    assert len(operations) > 250
    for method, path in operations:
        for token in ("", "nonsense", "ÿ"):
            headers = {"Authorization": b"Bearer " + token.encode("latin-1")} if token else {}
            response = await world.send(method, path, json={"input": []}, headers=headers)
            assert response.status_code == 401, (method, path, response.status_code)
            assert response.headers["WWW-Authenticate"] == "Bearer"
