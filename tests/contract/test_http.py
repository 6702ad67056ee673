"""Every operation of the 1.0.2 contract: there, right for good input, and a named fault for bad input.

``inputs.json`` has what a good request needs beyond the ids in its path, and what is wrong with it beyond what the
contract's schemas say. Everything else follows from the contract.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from copaw.testing.server import message

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
CONTRACT = json.loads((HERE / "http.json").read_text("utf-8"))
INPUTS = json.loads((HERE / "inputs.json").read_text("utf-8"))
COMPONENTS = {"components": CONTRACT["components"]}

LATER = re.compile(
    r"/api/skills.*|/api/config/security/.*|/api/local-models/.*|/api/config/channels/\{channel\}/qrcode.*|/voice/.*"
)
"""Parts of 1.0.2 that this version does not have: 501, with a sentence."""

OWN_TESTS = re.compile(r"/api/auth/(login|register|verify|update-profile)|/.*\.(png|svg)")
"""Operations that mean something with a login only, and pictures of the web console."""

PARAMETER = re.compile(r"\{(\w+)\}")
NOT_VALID = ({"not": ["this"]}, ["not this"], "not this")


@dataclass(frozen=True)
class Operation:
    """One operation, in its global form or below an agent."""

    method: str
    path: str
    spec: dict[str, Any]
    below_agent: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def inputs(self) -> dict[str, Any]:
        return INPUTS.get(self.name, {})

    @property
    def is_later(self) -> bool:
        return LATER.fullmatch(self.path) is not None

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of a JSON body."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    @property
    def is_scoped(self) -> bool:
        """Whether it is for one agent."""
        return self.path.removeprefix("/api") in CONTRACT["agent_scoped"]["mirrors"]


def operations() -> Iterator[Operation]:
    for path, methods in CONTRACT["paths"].items():
        for method, spec in methods.items():
            operation = Operation(method.upper(), path, spec)
            if not OWN_TESTS.fullmatch(path):
                yield operation
                if operation.is_scoped:
                    yield replace(operation, below_agent=True)


def each(wanted: Any = lambda operation: True) -> pytest.MarkDecorator:
    chosen = [operation for operation in operations() if wanted(operation)]
    names = [operation.name + (" of an agent" if operation.below_agent else "") for operation in chosen]
    return pytest.mark.parametrize("operation", chosen, ids=names)


@dataclass
class Request:
    """A request for an operation that is good as it is."""

    operation: Operation
    prefix: str
    names: dict[str, str]
    rest: dict[str, Any]

    def url(self, **names: str) -> str:
        path = PARAMETER.sub(lambda found: {**self.names, **names}[found[1]], self.operation.path)
        return path.replace("/api", self.prefix, 1) if self.operation.below_agent else path

    async def send(self, world: Any, *, names: dict[str, str] | None = None, **other: Any) -> httpx.Response:
        return await world.send(self.operation.method, self.url(**(names or {})), **{**self.rest, **other})


async def good_request(world: Any, operation: Operation) -> Request:
    """Make what the operation is about, and a request for it."""
    scoped = replace(world, prefix=f"/api/agents/{world.agent_id}" if operation.below_agent else "/api")
    inputs = operation.inputs
    names = {}
    for parameter in operation.parameters:
        names[parameter] = inputs.get("path", {}).get(parameter) or await scoped.thing(parameter)
    if "prepare" in inputs:
        method, path, body = inputs["prepare"]
        await scoped.made(method, PARAMETER.sub(lambda found: names[found[1]], path), body)
    rest: dict[str, Any] = {}
    if "body" in inputs:
        rest["json"] = await _body(world, inputs["body"])
    elif operation.schema and operation.spec["requestBody"].get("required"):
        rest["json"] = {} if operation.schema.get("type") != "array" else []
    if "files" in inputs:
        rest["files"] = {"file": ("file.zip", _a_workspace())} if inputs["files"]["file"] != "text" else None
        rest["files"] = rest["files"] or {"file": ("a.txt", b"text")}
    if "query" in inputs:
        rest["params"] = inputs["query"]
    return Request(operation, scoped.prefix, names, rest)


async def _body(world: Any, body: Any) -> Any:
    if body == "a message":
        return message("say hello", session_id=f"s{next(world.numbers)}", user_id="u")
    if body == "a job":
        schedule = {"type": "cron", "cron": "0 0 1 1 *", "timezone": "UTC"}
        target = {"user_id": "u", "session_id": "s"}
        return {
            "id": "",
            "name": "Job",
            "schedule": schedule,
            "request": {"input": "go"},
            "dispatch": {"target": target},
        }
    if body == {"agent_ids": "every agent"}:
        agents = (await world.send("GET", "/api/agents")).json()["agents"]
        return {"agent_ids": [agent["id"] for agent in reversed(agents)]}
    return json.loads(json.dumps(body).replace("{n}", str(next(world.numbers))))


def _a_workspace() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("NOTES.md", "of another agent")
    return data.getvalue()


def expected_status(operation: Operation) -> int:
    documented = next(int(status) for status in operation.spec["responses"] if status.startswith("2"))
    return 501 if operation.is_later else operation.inputs.get("status", documented)


@each()
async def test_a_good_request_is_answered_in_the_shape_of_1_0_2(world: Any, operation: Operation) -> None:
    request = await good_request(world, operation)
    response = await request.send(world)
    wanted = expected_status(operation)
    assert response.status_code == wanted, response.text[:500]
    if wanted >= 400:
        assert len(response.json()["detail"]) > 20, "a sentence says what is the matter"
    elif operation.inputs.get("stream"):
        last = json.loads(response.text.rsplit("data: ", 1)[1])
        assert (last["object"], last["status"]) == ("response", "completed")
    elif not operation.inputs.get("media"):
        schema = operation.spec["responses"][str(wanted)].get("application/json", {}).get("schema", {})
        jsonschema.Draft202012Validator({**schema, **COMPONENTS}).validate(response.json())


@each(lambda operation: operation.parameters and not operation.is_later and operation.path.startswith("/api"))
async def test_an_unknown_id_is_not_found(world: Any, operation: Operation) -> None:
    request = await good_request(world, operation)
    for parameter in operation.parameters:
        wanted = operation.inputs.get("unknown", {}).get(parameter, 404)
        for kind in ("nobody{}", "no/body{}", "no%00body{}", "%F0%9F%92%A9{}", "n" * 300 + "{}"):
            unknown = kind.format(next(world.numbers))
            response = await request.send(world, names={parameter: unknown})
            allowed = {wanted} if kind == "nobody{}" else {wanted, 400, 404, 405, 422}
            assert response.status_code in allowed, (parameter, unknown, response.status_code, response.text[:300])


@each(lambda operation: operation.schema is not None and not operation.is_later)
async def test_a_bad_body_is_refused_with_the_name_of_the_field(world: Any, operation: Operation) -> None:
    request = await good_request(world, operation)
    good = request.rest.get("json")
    for body, field in bad_bodies(operation, good):
        response = await request.send(world, json=body)
        assert refuses(response, field, operation), (body, field, response.status_code, response.text[:500])
    for content in (b"{", b"\xff\xfe", b'{"a": NaN', b"[" * 50_000):
        response = await request.send(world, json=None, content=content, headers={"Content-Type": "application/json"})
        assert refuses(response, "", operation), (content[:10], response.status_code, response.text[:500])
    for body, status, field in operation.inputs.get("bad", []):
        response = await request.send(world, json=body)
        assert response.status_code == status, (body, response.text[:500])
        assert field in response.text


@each(lambda operation: "bad_query" in operation.inputs)
async def test_a_bad_query_is_refused_with_the_name_of_the_parameter(world: Any, operation: Operation) -> None:
    request = await good_request(world, operation)
    for name, value in operation.inputs["bad_query"].items():
        response = await request.send(world, params={**operation.inputs["query"], name: value})
        assert response.status_code == 422, response.text
        assert name in response.text


def bad_bodies(operation: Operation, good: Any) -> Iterator[tuple[Any, str]]:
    """Bodies that the schema of 1.0.2 refuses, with the field that is at fault."""
    schema = resolved(operation.schema)
    yield "no body of this kind", ""
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if isinstance(good, dict) and name in good and not operation.inputs.get("partial"):
            yield {key: value for key, value in good.items() if key != name}, name
    for name, of_property in properties.items():
        if name in operation.inputs.get("ignored", []) or not isinstance(good, dict):
            continue
        check = jsonschema.Draft202012Validator({**of_property, **COMPONENTS})
        wrong = next((value for value in NOT_VALID if not check.is_valid(value)), None)
        if wrong is not None:
            yield {**good, name: wrong}, name


def resolved(schema: dict[str, Any] | None) -> dict[str, Any]:
    schema = schema or {}
    for one in schema.get("anyOf", ()):
        if "$ref" in one:
            schema = one
    if "$ref" in schema:
        return CONTRACT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def refuses(response: httpx.Response, field: str, operation: Operation) -> bool:
    """Whether the answer is a refusal that names the field."""
    if operation.inputs.get("stream"):
        return response.status_code == 200 and "error" in response.text and field in response.text
    return response.status_code in (400, 422) and field in json.dumps(response.json())


@each(lambda operation: operation.is_scoped and not operation.is_later)
async def test_an_agent_that_is_not_there_or_not_on_is_said_to_be(world: Any, operation: Operation) -> None:
    request = await good_request(world, operation)
    for agent_id, status in (("nobody", 404), (world.agent_off, 403)):
        if operation.below_agent:
            response = await replace_prefix(request, agent_id).send(world)
        else:
            response = await request.send(world, headers={"X-Agent-Id": agent_id})
        assert response.status_code == status, response.text[:300]


def replace_prefix(request: Request, agent_id: str) -> Request:
    return replace(request, prefix=f"/api/agents/{agent_id}")
