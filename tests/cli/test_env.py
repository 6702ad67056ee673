from __future__ import annotations

import json
from pathlib import Path

import pytest

SECRET = "sk-0123456789abcdefghij"


@pytest.fixture
def quiet(home: Path) -> Path:
    """The file of a home whose server is not running."""
    home.mkdir()
    (home / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    return home.parent / "secret" / "envs.json"


def test_without_a_server_it_changes_the_file(run, quiet: Path) -> None:
    result = run("env", "set", "TOKEN", SECRET)
    assert (result.exit_code, result.stdout) == (0, "TOKEN is set.\n")
    assert "No server is running" in result.stderr
    assert json.loads(quiet.read_text()) == {"TOKEN": SECRET}
    assert quiet.stat().st_mode & 0o777 == 0o600
    assert run("env", "delete", "TOKEN").exit_code == 0
    assert json.loads(quiet.read_text()) == {}


def test_values_are_shortened_unless_asked_for(run, quiet: Path) -> None:
    run("env", "set", "TOKEN", SECRET)
    assert SECRET not in run("env", "list").stdout
    assert SECRET not in run("env", "list", "--json").stdout
    assert run("env", "list", "--show-values").stdout == f"TOKEN={SECRET}\n"
    assert json.loads(run("env", "list", "--json", "--show-values").stdout) == [{"key": "TOKEN", "value": SECRET}]


def test_an_empty_list_says_how_to_add_one(run, quiet: Path) -> None:
    assert "copaw env set" in run("env", "list").stdout
    assert json.loads(run("env", "list", "--json").stdout) == []


@pytest.mark.parametrize(("line", "status"), [("set 1BAD x", 2), ("set COPAW_PORT 1", 2), ("delete NOPE", 1)])
def test_what_cannot_be_is_refused(run, quiet: Path, line: str, status: int) -> None:
    result = run("env", *line.split())
    assert result.exit_code == status
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_with_a_server_it_goes_through_it_and_keeps_the_others(ask, server) -> None:
    server.on("GET", "/api/envs", [{"key": "A", "value": "1"}])
    server.on("PUT", "/api/envs", [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}])
    server.on("DELETE", "/api/envs/A", [])
    assert ask("env", "list", "--show-values").stdout == "A=1\n"
    assert ask("env", "set", "B", "2").exit_code == 0
    assert ask("env", "delete", "A").exit_code == 0
    changes = [(request.method, request.body) for request in server.seen if request.method not in ("GET",)]
    assert changes == [("PUT", {"A": "1", "B": "2"}), ("DELETE", None)]


def test_a_server_that_was_named_must_answer(run) -> None:
    result = run("--port", "9", "env", "list")
    assert result.exit_code == 1
    assert "copaw app" in result.stderr
