"""Requests made from our own interface description, right and wrong ones and mere garbage: none is a server error.

A whole server answers them, with the demo model. Ids in paths are often those of things that exist, so that requests
reach beyond the first 404; what a request removed is made again.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from copaw.testing.server import RunningServer, message, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(3600)]

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "http.json").read_text("utf-8"))
NOT_HERE = re.compile(r".*/(skills|security|local-models|voice)\b.*")
"""Operations that this version does not have: one request is enough."""

BOUNDED = 800
"""How many requests are tried when nobody says: the same ones each time."""

PATIENCE_S = 20.0
DECLARED = {501, 502, 503}
"""Server errors that say what is missing, that the model failed, or when to come again."""

AGENT, JOB, KEY, PROVIDER, CHAT = "default", "job", "client", "own", "chat"
JOB_SPEC = {
    "id": JOB,
    "name": "Job",
    "schedule": {"cron": "0 0 1 1 *"},
    "request": {"input": "go"},
    "dispatch": {"target": {"user_id": "u", "session_id": "s"}},
}
WORLD = (
    ("PUT", "/models/active", {"provider_id": "demo", "model": "demo", "scope": "global"}),
    ("PUT", f"/cron/jobs/{JOB}", JOB_SPEC),
    ("POST", "/mcp", {"client_key": KEY, "client": {"name": "Client", "enabled": False, "command": "none"}}),
    ("POST", "/models/custom-providers", {"id": PROVIDER, "name": "Own", "models": [{"id": "m", "name": "M"}]}),
    ("POST", "/chats", {"id": CHAT, "session_id": "s", "user_id": "u"}),
    ("PUT", "/agent/files/SOUL.md", {"content": "Kind."}),
)
"""What there is to ask for."""


@dataclass
class Fuzzed:
    """A server, and what came of the requests to it."""

    server: RunningServer
    document: dict[str, Any]
    known: dict[str, list[str]]
    session: requests.Session = field(default_factory=requests.Session)
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def make_world(self) -> None:
        """Make what there is to ask for, where it is missing."""
        for method, path, body in WORLD:
            self.session.request(method, f"{self.server.base_url}/api{path}", json=body, timeout=PATIENCE_S)

    def operations(self) -> list[APIOperation]:
        schema = schemathesis.openapi.from_dict(self.document)
        return [result.ok() for result in schema.get_all_operations()]

    def try_operation(self, operation: APIOperation, number: int, *, derandomize: bool) -> None:
        """Send that many requests for one operation, and keep what failed."""

        @settings(
            max_examples=number,
            database=None,
            deadline=None,
            derandomize=derandomize,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=_cases(operation), data=st.data())
        def send(case: Case, data: st.DataObject) -> None:
            self._send(case, data)

        try:
            send()
        except AssertionError as error:
            told = f"{operation.method.upper()} {operation.path}: {error}"
            self.failures.append("\n".join([told[:2000], *_tracebacks(self.server.log)[-1:]]))

    def _send(self, case: Case, data: st.DataObject) -> None:
        for name in case.path_parameters or {}:
            if name in self.known and data.draw(st.integers(0, 9)) < 8:
                case.path_parameters[name] = data.draw(st.sampled_from(self.known[name]))
        _keep_inside(case.body, self.server.working_dir)
        changes = data.draw(GARBAGE)
        try:
            answer = case.call(self.server.base_url, session=self.session, timeout=PATIENCE_S, **changes)
        except requests.Timeout:
            raise AssertionError(f"no answer within {PATIENCE_S:g} s\n{case.as_curl_command()}") from None
        except (requests.RequestException, UnicodeError, ValueError) as error:
            if isinstance(error, requests.ConnectionError) and "RemoteDisconnected" in str(error):
                raise AssertionError(f"the server hung up: {error}\n{case.as_curl_command()}") from None
            return  # no request that can be sent
        status = answer.status_code
        self.answers[status] += 1
        assert status < 500 or status in DECLARED, f"{status} {answer.text[:300]}\n{case.as_curl_command()}"


def _tracebacks(log: str) -> list[str]:
    """Each traceback in a log, once."""
    found = [one.split("\nINFO", 1)[0] for one in log.split("Traceback (most recent call last)")[1:]]
    return list({one[-200:]: one[-2500:] for one in found}.values())


def _cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    right = operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body or operation.query or operation.path_parameters:
        return st.one_of(right, operation.as_strategy(GenerationMode.NEGATIVE))
    return right  # an operation without any input has no wrong one


def _keep_inside(body: Any, directory: Path) -> None:
    """Directories that are asked for are made: below that of the test."""
    if isinstance(body, dict) and isinstance(body.get("workspace_dir"), str):
        body["workspace_dir"] = str(directory / "w" / body["workspace_dir"].lstrip("/~."))


WORDS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "*", '"0"', "W/1", "1e309", "-1", "nan", "默认", "a\x7f", "Bearer ", "Basic ::", "9" * 5000]),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("X-Agent-Id", "If-Match", "If-None-Match", "Last-Event-ID", "Idempotency-Key", "Authorization", "Range"),
            *("Accept", "Accept-Language", "Origin", "Cookie", "Content-Type", "MCP-Session-Id", "X-Forwarded-For"),
        ]
    ),
    WORDS.map(lambda text: text.encode("utf-8", "surrogatepass").replace(b"\r", b"").replace(b"\n", b"").strip()),
    max_size=3,
)


def _request(**fields: str) -> bytes:
    parts = [f'"{name}": "{value}"' for name, value in fields.items() if name != "text"]
    text = fields.get("text", "a")
    return f'{{{", ".join([*parts, ""])}"input": [{{"content": [{{"type": "text", "text": "{text}"}}]}}]}}'.encode()


BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", b"null", b"[]", b"{}", b'"text"', b"0", b"NaN", b"[NaN]", b"\xff\xfe{}", b"{", b"1e999"]),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b'{"id": "\\ud800"}', b"\xef\xbb\xbf{}"]),
    st.sampled_from(
        [
            _request(text="\\ud800"),
            _request(session_id="\\ud83d", user_id="u"),
            _request(session_id="\\u0000", channel="\\u0000"),
            _request(session_id="s" * 5000, user_id="../.."),
            _request(channel="/" * 300, user_id="\\u202e"),
            _request(text="/model " + "x" * 100),
        ]
    ),
)
TYPES = st.sampled_from(
    ["application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "application/xml", ""]
)


@st.composite
def _garbage(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return {}
    changes: dict[str, Any] = {"headers": draw(HEADERS)}
    if kind > 7:
        changes["data"] = draw(BODIES)
        changes["headers"].setdefault("Content-Type", draw(TYPES))
    return changes


GARBAGE = _garbage()


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """Our description, with the bodies of 1.0.2 where ours leaves them open."""
    text = json.dumps(CONTRACT["components"]["schemas"]).replace("#/components/schemas/", "#/components/schemas/Old")
    schemas = {f"Old{name}": schema for name, schema in json.loads(text).items()}
    document["components"]["schemas"] |= schemas
    for path, operations in document["paths"].items():
        old = CONTRACT["paths"].get(path.replace("/api/agents/{agentId}/", "/api/"), {})
        for method, operation in operations.items():
            body = old.get(method, {}).get("requestBody")
            if body and "requestBody" not in operation:
                moved = json.dumps(body).replace("#/components/schemas/", "#/components/schemas/Old")
                operation["requestBody"] = json.loads(moved)
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fuzzed]:
    environ = {"COPAW_OPENAPI_DOCS": "true", "COPAW_LLM_MAX_RETRIES": "1", "COPAW_LOG_LEVEL": "info"}
    async with running_server(tmp_path_factory.mktemp("fuzz"), environ=environ) as server:
        document = (await server.http.get("/openapi.json")).json()
        task = await server.call("POST", "/agent/process/task", message("hello"))
        other = await server.call("POST", "/agents", {"name": "Other"}, status=201)
        known = {
            "agentId": [AGENT, AGENT, other["id"]],
            "chat_id": [CHAT],
            "job_id": [JOB],
            "client_key": [KEY],
            "provider_id": [PROVIDER, "demo", "openai"],
            "model_id": ["m", "demo"],
            "md_name": ["SOUL.md", "new.md"],
            "task_id": [task["task_id"]],
            "channel_name": ["console", "discord"],
            "channel": ["console", "weixin"],
            "tool_name": ["read_file"],
            "generation": ["1"],
            "key": ["KEY"],
        }
        yield Fuzzed(server, _described(document), known)


def _raw(head: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([head + b" HTTP/1.1", b"Host: copaw", b"Connection: close", *headers, b"", body])


NO_CLIENT_SENDS = [
    _raw(b"GET /api/agents/%ff%00"),
    _raw(b"GET /api/chats?user_id=%ff%00&channel=%ed%a0%80"),
    _raw(b"GET /api/agent/files/..%2f..%2f..%2fetc%2fpasswd"),
    _raw(b"GET /api/agent/files/%2e%2e/%2e%2e/config.json"),
    _raw(b"GET /api/files/preview/%00"),
    _raw(b"GET /api/tasks?limit=" + b"9" * 400),
    _raw(b"GET /api/tasks?cursor=%ff%fe"),
    _raw(b"GET /api/agents/" + b"a" * 9000),
    _raw(b"GET /console/../../etc/passwd"),
    _raw(b"GET /api/chats", b"X-Agent-Id: \xff\xfe"),
    _raw(b"GET /api/chats", b"X-Agent-Id: " + b"a" * 9000),
    _raw(b"GET /api/agents/default", b"If-None-Match: \xff"),
    _raw(b"PUT /api/agents/default", b'If-Match: "' + b"9" * 5000 + b'"', b"Content-Length: 2", body=b"{}"),
    _raw(b"PUT /api/agents/default", b"If-Match: \x80, W/*", b"Content-Length: 2", body=b"{}"),
    _raw(b"GET /api/tasks/x/events", b"Last-Event-ID: " + b"9" * 5000),
    _raw(b"GET /api/chats", b"Authorization: Bearer \xff", b"Cookie: =;;\xff=\xff"),
    _raw(b"POST /api/chats", b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    _raw(b"POST /api/chats", b"Content-Length: -1"),
    _raw(b"POST /api/chats", b"Content-Type: application/json; charset=nonsense", b"Content-Length: 2", body=b"{}"),
    _raw(b"POST /api/console/upload", b"Content-Type: multipart/form-data", b"Content-Length: 3", body=b"--x"),
    _raw(b"POST /api/console/upload", b"Content-Type: multipart/form-data; boundary=\xff", b"Content-Length: 0"),
    _raw(b"BREW /api/agents"),
    b"GET / HTTP/9.9\r\n\r\n",
    b"\0" * 100,
    b"GET /api/agents\r\n\r\n",
]


async def test_what_no_client_sends_does_no_harm(fuzzed: Fuzzed) -> None:
    host, port = fuzzed.server.base_url.removeprefix("http://").split(":")
    for request in NO_CLIENT_SENDS:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            status_line = await reader.readline()
        assert not status_line or status_line.split()[1][:1] in (b"2", b"3", b"4"), (request[:100], status_line)
        writer.close()
    assert (await fuzzed.server.http.get("/healthz")).status_code == 200
    assert not _tracebacks(fuzzed.server.log)


async def test_no_request_is_a_server_error(fuzzed: Fuzzed, examples: int, record_property: Any) -> None:
    wanted = examples or BOUNDED
    operations = await asyncio.to_thread(fuzzed.operations)
    here = [operation for operation in operations if not NOT_HERE.fullmatch(operation.path)]
    number = -(-wanted // len(here))
    for operation in operations:
        await asyncio.to_thread(fuzzed.make_world)
        tries = number if operation in here else 1
        await asyncio.to_thread(fuzzed.try_operation, operation, tries, derandomize=not examples)
    total = sum(fuzzed.answers.values())
    told = ", ".join(f"{status}: {count}" for status, count in sorted(fuzzed.answers.items()))
    print(f"\n{total} requests to {len(operations)} operations; answers {told}")
    assert (await fuzzed.server.http.get("/healthz")).status_code == 200
    if faults := [*fuzzed.failures, *_tracebacks(fuzzed.server.log)]:
        pytest.fail("\n\n".join(faults), pytrace=False)
    assert total >= wanted * 0.8
