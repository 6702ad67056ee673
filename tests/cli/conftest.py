"""A small HTTP server that speaks the contract's shapes, and the command line to run against it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from click.testing import CliRunner, Result

from copaw.cli.installation import How, Installation
from copaw.cli.main import cli
from copaw.config.home import make_home
from copaw.paths import Paths


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Stream:
    """An event stream; ``raw`` frames are sent as they are."""

    events: list[Any]


Answer = tuple[int, Any]
Handler = Callable[[Request], "Answer | Stream"]


@dataclass
class FakeServer:
    """Routes by (method, path); everything received is kept."""

    routes: dict[tuple[str, str], Handler] = field(default_factory=dict)
    fallback: Handler | None = None
    seen: list[Request] = field(default_factory=list)
    base_url: str = ""

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        """Answer always the same; a ``Stream`` is streamed."""
        self.routes[method, path] = lambda request: answer if isinstance(answer, Stream) else (status, answer)

    def streams(self, *events: Any) -> None:
        """What a run says."""
        self.on("POST", "/api/agent/process", Stream(list(events)))

    def answer(self, request: Request) -> Answer | Stream:
        if request.path == "/healthz":
            return 200, {"status": "ok"}  # a look whether anybody is there, of no interest
        self.seen.append(request)
        handler = self.routes.get((request.method, request.path)) or self.fallback
        return handler(request) if handler else (404, {"detail": f"no route {request.method} {request.path}"})


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        answer = self.fake.answer(Request(self.command, unquote(parts.path), query, headers, body))
        if isinstance(answer, Stream):
            self._stream(answer)
        else:
            self._json(*answer)

    def _json(self, status: int, body: Any) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for number, event in enumerate(stream.events):
            frame = event if isinstance(event, str) else f"id: {number}\ndata: {json.dumps(event)}\n\n"
            self.wfile.write(frame.encode())
            self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    fake.base_url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), name="fake-server")
    thread.start()
    yield fake
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that does not exist yet."""
    working = tmp_path / "home"
    monkeypatch.setenv("COPAW_WORKING_DIR", str(working))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "secret"))
    return working


@pytest.fixture
def run(home: Path) -> Callable[..., Result]:
    """Run the command line in this process: ``run("agents", "list", input="y\\n")``."""

    def invoke(*arguments: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="copaw", **kwargs)

    return invoke


@pytest.fixture
def ask(run: Callable[..., Result], server: FakeServer) -> Callable[..., Result]:
    """Run it against the fake server, named by ``--host`` and ``--port``."""
    parts = urlsplit(server.base_url)

    def invoke(*arguments: str, **kwargs: Any) -> Result:
        return run("--host", str(parts.hostname), "--port", str(parts.port), *arguments, **kwargs)

    return invoke


@pytest.fixture
def plain_run() -> Callable[..., list[dict[str, Any]]]:
    """The events of a run that answers ``texts`` in one message."""

    def events(*texts: str, message_id: str = "msg_1") -> list[dict[str, Any]]:
        whole = "".join(texts)
        content = {"object": "content", "type": "text", "index": 0, "msg_id": message_id}
        message = {"object": "message", "type": "message", "role": "assistant", "id": message_id}
        done = {**message, "status": "completed", "content": [{**content, "text": whole, "status": "completed"}]}
        frames: list[dict[str, Any]] = [
            {"object": "response", "status": "created", "id": "response_1", "output": None},
            {"object": "response", "status": "in_progress", "id": "response_1", "output": None},
            {**message, "status": "in_progress", "content": None},
            *({**content, "delta": True, "text": text, "status": "in_progress"} for text in texts),
            {**content, "delta": False, "text": whole, "status": "completed"},
            done,
            {"object": "response", "status": "completed", "id": "response_1", "error": None, "output": [done]},
        ]
        return [{"sequence_number": number, "error": None, **frame} for number, frame in enumerate(frames)]

    return events


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What the package manager was asked: one that only writes it down, and is the only one on the PATH."""
    tools, record = tmp_path / "tools", tmp_path / "asked"
    tools.mkdir()
    script = f'#!/bin/sh\necho "$@" >> {record}\nexit "${{UV_STATUS:-0}}"\n'
    (tools / "uv").write_text(script)
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    installed = Installation(How.UV_TOOL, tmp_path / "environment", sys.executable)
    for module in ("update", "uninstall"):
        monkeypatch.setattr(f"copaw.cli.{module}.installation", lambda: installed)
    return lambda: record.read_text() if record.exists() else ""


@pytest.fixture
def made(home: Path) -> Path:
    paths = Paths.from_environment()
    make_home(paths, language="en")
    (paths.secret_dir / "providers").mkdir(parents=True)
    return home
