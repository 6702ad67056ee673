"""``copaw channels`` over a server and over files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.app.background.server_lock import lock_working_dir

CONSOLE = {"enabled": True, "bot_prefix": "", "allow_from": [], "media_dir": None, "isBuiltin": True}
DISCORD = {"enabled": False, "bot_token": "", "http_proxy": "p", "accept_bot_messages": False, "isBuiltin": True}
SOURCE = 'class A:\n    channel = "mine"\n'


@pytest.fixture
def quiet(made: Path) -> Path:
    """The agent.json of a home whose server is not running."""
    (made / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    return made / "workspaces" / "default" / "agent.json"


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "given.py"
    file.write_text(SOURCE)
    return str(file)


@pytest.fixture
def served(server):
    server.on("GET", "/api/config/channels", {"console": CONSOLE, "discord": DISCORD, "mine": {"enabled": True}})
    status = {"channel": "mine", "state": "retrying", "error": "no route"}
    server.on("GET", "/api/channels/status", {"channels": [status], "problems": ["bad.py: no"]})
    server.on("PUT", "/api/config/channels", {})
    server.on("GET", "/api/agents", {"agents": [{"id": "default", "enabled": True}, {"id": "off", "enabled": False}]})
    return server


def _sections(agent_file: Path) -> dict[str, dict[str, object]]:
    return json.loads(agent_file.read_text())["channels"] or {}


class TestOverTheServer:
    def test_list_tells_how_each_is(self, ask, served) -> None:
        result = ask("channels", "list", "--agent-id", "helper")
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines == ["console on off", "discord off off", "mine on retrying custom no route"]
        assert "bad.py: no" in result.stderr
        assert {r.headers["x-agent-id"] for r in served.seen} == {"helper"}

    def test_list_as_json(self, ask, served) -> None:
        rows = json.loads(ask("channels", "list", "--json").stdout)
        assert rows[2] == {
            "channel": "mine",
            "enabled": True,
            "builtin": False,
            "state": "retrying",
            "error": "no route",
        }

    def test_send(self, ask, server) -> None:
        server.on("POST", "/api/messages/send", {"success": True, "message": "m"})
        line = "send --agent-id a --channel console --target-user u --target-session s --text hi"
        assert json.loads(ask("channel", *line.split()).stdout)["success"] is True
        body = {"channel": "console", "target_user": "u", "target_session": "s", "text": "hi"}
        assert server.seen[0].body == body
        assert server.seen[0].headers["x-agent-id"] == "a"

    def test_config_sends_only_what_changed(self, ask, served) -> None:
        answers = ["discord", "y", "secret-token", "-", "y", ""]
        result = ask("channels", "config", input="\n".join(answers) + "\n")
        assert result.exit_code == 0, result.output
        assert "secret-token" not in result.output
        changes = {"enabled": True, "bot_token": "secret-token", "http_proxy": "", "accept_bot_messages": True}
        assert [r.body for r in served.seen if r.method == "PUT"] == [{"discord": changes}]

    def test_config_asks_again_when_it_is_refused(self, ask, served) -> None:
        replies = iter([(422, {"detail": "allow_from: no"}), (200, {})])
        served.routes["PUT", "/api/config/channels"] = lambda request: next(replies)
        answers = ["console", "y", "", "y", "p", "a, b", "y", "y", "", "y", "q", "", ""]
        result = ask("channels", "config", input="\n".join(answers) + "\n")
        assert result.exit_code == 0, result.output
        assert "Not saved: allow_from: no" in result.stderr
        sent = [r.body["console"] for r in served.seen if r.method == "PUT"]
        assert sent == [{"bot_prefix": "p", "allow_from": ["a", "b"]}, {"bot_prefix": "q"}]

    def test_files_of_another_machines_server_are_not_touched(self, ask, served, home: Path, source: str) -> None:
        result = ask("channels", "install", "mine", "--path", source)
        assert result.exit_code == 1
        assert "COPAW_WORKING_DIR" in result.stderr
        assert not home.exists()

    def test_remove_forgets_it_in_every_agent_that_is_not_disabled(self, ask, served, made: Path) -> None:
        served.on("DELETE", "/api/config/channels/mine", {"deleted": True})
        sections = served.routes["GET", "/api/config/channels"]
        served.routes["GET", "/api/config/channels"] = lambda request: (
            (403, {"detail": "Agent 'off' is disabled."})
            if request.headers.get("x-agent-id") == "off"
            else sections(request)
        )
        (made / "custom_channels").mkdir()
        (made / "custom_channels" / "mine.py").write_text(SOURCE)
        lock = lock_working_dir(made)
        try:
            result = ask("channels", "remove", "mine")
        finally:
            lock.release()
        assert result.exit_code == 0, result.output
        assert [r.headers["x-agent-id"] for r in served.seen if r.method == "DELETE"] == ["default"]
        assert result.stderr == "Left as it is: agent off: Agent 'off' is disabled.\n"
        assert not (made / "custom_channels" / "mine.py").exists()


class TestOverTheFiles:
    def test_list(self, run, quiet: Path) -> None:
        result = run("channels", "list")
        assert "No server is running" in result.stderr
        assert ["console", "on", "-"] in [line.split() for line in result.stdout.splitlines()]

    def test_config(self, run, quiet: Path) -> None:
        result = run("channels", "config", input="mqtt\ny\nbroker\n1883\n" + "\n" * 30)
        assert result.exit_code == 0, result.output
        assert "  console          on" in result.stdout.splitlines()
        assert "  discord          off   (settings only: this version has no such channel)" in result.stdout
        section = _sections(quiet)["mqtt"]
        assert (section["enabled"], section["host"], section["port"]) == (True, "broker", 1883)
        assert section["username"] is None

    def test_what_does_not_fit_is_told_and_asked_again(self, run, quiet: Path) -> None:
        answers = ["mqtt", "y", "broker", "many", *[""] * 11, "", "y", "y", "broker", "7", *[""] * 14]
        result = run("channels", "config", input="\n".join(answers) + "\n")
        assert "Not saved: " in result.stderr
        assert _sections(quiet)["mqtt"]["port"] == 7

    def test_add_install_and_remove_a_custom_channel(self, run, quiet: Path, made: Path, source: str) -> None:
        assert run("channels", "install", "mine", "--path", source).exit_code == 0
        assert (made / "custom_channels" / "mine.py").read_text() == SOURCE
        assert run("channels", "install", "mine", "--path", source).exit_code == 1
        result = run("channels", "add", "mine", input="\ntoken\nt0p\nport\n7000\n\n\n")
        assert result.exit_code == 0, result.output
        assert _sections(quiet)["mine"] == {"enabled": True, "token": "t0p", "port": 7000}
        assert run("channels", "remove", "mine", "--keep-config").exit_code == 0
        assert "mine" in _sections(quiet)
        assert run("channels", "remove", "mine").exit_code == 0
        assert "mine" not in _sections(quiet)
        assert run("channels", "remove", "mine").exit_code == 1

    def test_add_makes_a_beginning_when_there_is_no_file(self, run, quiet: Path, made: Path) -> None:
        assert run("channels", "add", "own", "--no-configure").exit_code == 0
        assert 'channel = "own"' in (made / "custom_channels" / "own.py").read_text()
        assert _sections(quiet)["own"] == {"enabled": True}

    def test_add_of_a_built_in_channel_needs_no_file(self, run, quiet: Path, made: Path, source: str) -> None:
        assert run("channels", "add", "console", "--no-configure").exit_code == 0
        assert run("channels", "add", "console", "--path", source).exit_code == 2
        assert not (made / "custom_channels").exists()

    def test_a_server_that_does_not_answer_keeps_its_files(self, run, quiet: Path, made: Path) -> None:
        before = quiet.read_text()
        lock = lock_working_dir(made)
        try:
            result = run("channels", "add", "console", "--no-configure")
        finally:
            lock.release()
        assert result.exit_code == 1
        assert "--host and --port" in result.stderr
        assert quiet.read_text() == before

    def test_path_and_url_exclude_each_other(self, run, quiet: Path, source: str) -> None:
        assert run("channels", "install", "x", "--path", source, "--url", "http://h/x").exit_code == 2
