"""Every command of the 1.0.2 contract at its edges: help, wrong usage, no server. Exit statuses are 0, 2 and 1.

That the parameters are those of 1.0.2 is seen in ``tests/cli/test_parity.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from copaw.cli.main import cli

CONTRACT = json.loads(Path(__file__).with_name("cli.json").read_text("utf-8"))["root"]
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Command:
    path: tuple[str, ...]
    params: list[dict[str, Any]]
    is_group: bool

    def options(self) -> list[dict[str, Any]]:
        return [param for param in self.params if param["kind"] == "option"]

    def required(self, *, without: str | None = None) -> list[str]:
        """Arguments that are enough for it."""
        found: list[str] = []
        for param in self.params:
            if param.get("required") and param["name"] != without:
                value = param["type"]["choice"][0] if isinstance(param["type"], dict) else "1"
                found += [param["flags"][-1], value] if param["kind"] == "option" else [value]
        return found


def walk(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Command]:
    yield Command(path, node["params"], "commands" in node)
    for name, child in node.get("commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = list(walk(CONTRACT))
each = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.path) or "copaw")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "copaw"))
    monkeypatch.setenv("COPAW_SECRET_DIR", str(tmp_path / "copaw.secret"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments, input="")
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


def is_usage_error(result: Result, *said: str) -> bool:
    return result.exit_code == 2 and "Usage: " in result.stderr and all(part in result.stderr for part in said)


@each
def test_help_tells_of_every_option(command: Command) -> None:
    result = run(*command.path, "--help")
    assert result.exit_code == 0
    for option in command.options():
        assert any(flag in result.stdout for flag in option["flags"]), option["name"]


@each
def test_wrong_usage_is_2_and_names_what_is_wrong(command: Command) -> None:
    assert is_usage_error(run(*command.path, "--no-such-option"), "--no-such-option")
    if command.is_group:
        assert is_usage_error(run(*command.path, "no-such-command"), "no-such-command")
        return
    for param in command.params:
        if param.get("required"):
            result = run(*command.path, *command.required(without=param["name"]))
            assert is_usage_error(result, "Missing"), param["name"]
    for option in command.options():
        flag = option["flags"][-1]
        if isinstance(option["type"], dict):
            result = run(*command.path, *command.required(without=option["name"]), flag, "none-of-them")
            assert is_usage_error(result, *option["type"]["choice"]), flag
        elif option["type"] in ("integer", "float") and not option.get("flag"):
            result = run(*command.path, *command.required(without=option["name"]), flag, "no-number")
            assert is_usage_error(result, "no-number"), flag


def asks_a_server(command: Command) -> bool:
    return any(param["name"] == "base_url" for param in command.params) and command.path[:2] != (
        "models",
        "add-provider",
    )


@pytest.mark.parametrize("command", list(filter(asks_a_server, COMMANDS)), ids=lambda command: " ".join(command.path))
def test_without_a_server_it_is_1_and_says_how_to_start_one(command: Command, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"name": "n", "session_id": "s", "user_id": "u"}')
    wanted = ["--type", "text", "--name", "n", "--cron", "* * * * *", "--channel", "console", "--text", "t"]
    chat = ["--from-agent", "a", "--to-agent", "b", "--text", "t"]
    further = {
        ("agent", "chat"): chat,
        ("agents", "chat"): chat,
        ("cron", "create"): [*wanted, "--target-user", "u", "--target-session", "s"],
        ("chats", "create"): ["--session-id", "s", "--user-id", "u"],
        ("chat", "create"): ["--file", str(body)],
    }.get(command.path, [])
    result = run(*command.path, *command.required(), *further, "--base-url", NOBODY)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"Error: No copaw server answers at {NOBODY}"), result.stderr
    assert "copaw app" in result.stderr
