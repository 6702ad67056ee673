from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from copaw.cli.fetch import NotFetched, fetch
from copaw.errors import BadInput


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/file":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100)
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(302)
            self.send_header("location", {"/moved": "/file", "/out": "file:///etc/passwd"}[self.path])
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="files")
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_also_from_where_it_moved(base: str) -> None:
    assert fetch(f"{base}/file", 100) == fetch(f"{base}/moved", 100) == b"x" * 100


def test_a_larger_one_is_refused(base: str) -> None:
    with pytest.raises(BadInput, match="more than"):
        fetch(f"{base}/file", 99)


def test_what_cannot_be_had_says_why(base: str) -> None:
    with pytest.raises(NotFetched, match="404"):
        fetch(f"{base}/missing", 10)
    with pytest.raises(NotFetched):
        fetch("http://127.0.0.1:9/x", 10)


def test_only_http_is_spoken_whatever_a_redirection_says(base: str) -> None:
    with pytest.raises(NotFetched):
        fetch(f"{base}/out", 10_000)
    with pytest.raises(BadInput, match="must begin with"):
        fetch("file:///etc/passwd", 10_000)
