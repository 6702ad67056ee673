"""``copaw daemon`` speaks 1.0.2's words over the lifecycle API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from copaw.cli.main import cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path))
    return tmp_path


def test_logs_prints_the_last_lines(home: Path) -> None:
    (home / "copaw.log").write_text("".join(f"line {number}\n" for number in range(10)))
    result = CliRunner().invoke(cli, ["daemon", "logs", "-n", "3"])
    assert (result.exit_code, result.output) == (0, "line 7\nline 8\nline 9\n")


def test_logs_without_a_log_says_how_to_get_one(home: Path) -> None:
    result = CliRunner().invoke(cli, ["daemon", "logs"])
    assert result.exit_code == 1
    assert "copaw app" in result.output


@pytest.mark.parametrize("command", ["status", "restart", "reload-config", "version"])
def test_without_a_server_it_says_how_to_start_one(home: Path, command: str) -> None:
    result = CliRunner().invoke(cli, ["--port", "1", "daemon", command])
    assert result.exit_code == 1
    assert "copaw app" in result.output


def test_status_as_json_is_the_servers_answer(ask, server) -> None:
    document = {"agent_id": "a", "state": "running", "generations": [], "last_reload": None}
    server.on("GET", "/api/agents/a/lifecycle", document)
    result = ask("daemon", "status", "--agent-id", "a", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, document)
