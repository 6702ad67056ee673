from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from copaw.cli.drill import server
from copaw.cli.transport import Transport


def _command(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(server, "COMMAND", (sys.executable, "-c", code))


def test_the_users_own_settings_do_not_count(tmp_path: Path) -> None:
    environ = server.drill_environ({"PATH": "/bin", "COPAW_AUTH_ENABLED": "true", "COPAW_WORKING_DIR": "/x"}, tmp_path)
    assert environ["PATH"] == "/bin"
    assert environ["COPAW_WORKING_DIR"] == str(tmp_path / "working")
    assert "COPAW_AUTH_ENABLED" not in environ


SERVE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "4"); self.end_headers(); self.wfile.write(b"true")
http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("some words first"); print(f"Listening on http://127.0.0.1:{http.server_address[1]}", flush=True)
http.serve_forever()
"""


@pytest.mark.e2e
@pytest.mark.parametrize("keep", [False, True])
def test_it_serves_inside_and_is_gone_after(monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    _command(monkeypatch, SERVE)
    with server.running_server(keep=keep) as running:
        assert Transport(running.base_url).call("GET", "/") is True
        assert "some words first" in running.log_tail()
    with pytest.raises(server.CopawError, match="No copaw server answers"):
        Transport(running.base_url).call("GET", "/")
    assert running.home.exists() is keep
    if keep:
        server.shutil.rmtree(running.home)


@pytest.mark.e2e
def test_a_server_that_dies_shows_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    _command(monkeypatch, "import sys; sys.exit('no disk')")
    with pytest.raises(server.ServerDied, match=r"ended with status 1.*no disk"), server.running_server(keep=False):
        pass


@pytest.mark.e2e
def test_a_process_that_ignores_sigterm_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server.stop(process, timeout_s=0.05)
        assert process.returncode == -9
