"""``docs/http-api.md`` lists the routes there are, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from copaw.app._app import create_app

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text("utf-8")
ROW = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]+)` \| (A?) ?\|", re.MULTILINE)
SCOPE = "/api/agents/{agentId}"

Operation = tuple[str, str]


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if callable(contexts := vars(type(route)).get("effective_route_contexts")):
            yield from contexts(route)
        else:
            yield route


def _operations() -> set[Operation]:
    found = set()
    for route in _flat(create_app().routes):
        path = re.sub(r"\{(\w+):path\}", r"{\1}", route.path)
        found |= {(method, path) for method in route.methods if method != "HEAD"}
    # Not operations but the answer to whatever is none.
    return {(method, path) for method, path in found if path not in ("/api", "/api/{rest}")}


def _documented() -> dict[Operation, bool]:
    return {(row[1], row[2]): bool(row[3]) for row in ROW.finditer(PAGE)}


def _agent_scoped(operation: Operation) -> Operation:
    method, path = operation
    return method, SCOPE + path.removeprefix("/api")


def test_every_route_is_documented() -> None:
    documented = _documented()
    everywhere = {*documented, *(_agent_scoped(operation) for operation, scoped in documented.items() if scoped)}
    assert _operations() - everywhere == set()


def test_every_documented_route_exists_where_the_page_says() -> None:
    documented = _documented()
    assert documented.keys() - _operations() == set()
    assert {_agent_scoped(operation) for operation, scoped in documented.items() if scoped} - _operations() == set()


def test_the_page_is_read() -> None:
    assert _documented()["POST", "/api/agent/process"]
    assert not _documented()["GET", "/healthz"]
