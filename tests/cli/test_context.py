"""Finding the running server, and noticing that there is none."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from copaw.app.background.server_lock import lock_working_dir
from copaw.cli.context import Root
from copaw.cli.transport import NoServer, ServerRefused


class _Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def other(made: Path) -> Iterator[int]:
    """The port of another program, at which the server listened last."""
    program = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=program.serve_forever, args=(0.01,), name="other")
    thread.start()
    port = program.server_address[1]
    (made / "runtime.json").write_text(json.dumps({"last_api": {"host": "127.0.0.1", "port": port}}))
    yield port
    program.shutdown()
    thread.join()
    program.server_close()


def test_a_server_that_answers_is_running(server, made: Path) -> None:
    port = int(server.base_url.rpartition(":")[2])
    (made / "runtime.json").write_text(json.dumps({"last_api": {"host": "127.0.0.1", "port": port}}))
    client = Root().running()
    assert client is not None
    assert client.http.base_url == server.base_url


def test_nobody_there_is_none_unless_it_was_named(made: Path) -> None:
    (made / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    assert Root().running() is None
    with pytest.raises(NoServer):
        Root(port=9).running()


def test_another_program_at_its_port_is_none(other: int, made: Path) -> None:
    assert Root().running() is None
    with pytest.raises(ServerRefused):
        Root(port=other).running()
    lock = lock_working_dir(made)
    try:
        with pytest.raises(ServerRefused):
            Root().running()
    finally:
        lock.release()


def test_the_doctor_names_another_program_at_the_port(run, other: int) -> None:
    result = run("doctor", "--json")
    (finding,) = [one for one in json.loads(result.stdout)["findings"] if one["check"] == "port"]
    assert finding["level"] == "warn"
    assert f"Port {other} cannot be taken" in finding["what"]
