"""What holds for every command: wrong usage is status 2, a server that is not there one sentence and status 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from copaw.cli.lazy import LazyGroup
from copaw.cli.main import cli

WITHOUT_A_SERVER = {
    *("app", "clean", "completion", "desktop", "doctor", "drill", "init", "task", "uninstall", "update", "version"),
    *("auth", "daemon logs", "models download", "models local", "models remove-local", "plugin", "skills", "mcp serve"),
}
"""Commands and groups that talk to no server, or say themselves that none is needed."""

CRON_FILE = str(Path(__file__).parents[1] / "contract" / "samples" / "file_jobs.json")
VALUES = {"text": "word", "integer": "3", "float": "3", "path": "word", "file": __file__, "choice": ""}
FURTHER = {
    "agents chat": ["--from-agent", "a", "--to-agent", "b", "--text", "t"],
    "chats create": ["--session-id", "s", "--user-id", "u"],
    "cron create": ["--file", CRON_FILE],
    "models config-key": ["mine", "--key", "k"],
    "models set-llm": ["mine", "m"],
    "models remove-provider": ["--yes"],
}


def _walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if isinstance(command, LazyGroup) and command.table[name].hidden:
            continue
        found = command.get_command(context, name)
        assert found is not None
        yield from _walk(found, (*path, name))


COMMANDS = dict(_walk(cli))
OF_A_SERVER = [
    path
    for path in COMMANDS
    if path not in WITHOUT_A_SERVER and not any(path.startswith(f"{group} ") for group in WITHOUT_A_SERVER)
]


def _required(command: click.Command) -> list[str]:
    words: list[str] = []
    for param in command.params:
        if param.required:
            words += [] if isinstance(param, click.Argument) else [param.opts[0]]
            words.append(VALUES[param.type.name])
    return words


@pytest.mark.parametrize("path", COMMANDS)
def test_an_unknown_option_is_wrong_usage_and_help_is_not(run, path: str) -> None:
    result = run(*path.split(), "--no-such-option")
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert run(*path.split(), "--help").exit_code == 0


@pytest.mark.parametrize("path", OF_A_SERVER)
def test_a_server_that_is_not_there_is_one_sentence(run, home, path: str) -> None:
    words = [*path.split(), *_required(COMMANDS[path]), *FURTHER.get(path, [])]
    result = run("--host", "127.0.0.1", "--port", "9", *words)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr == "Error: No copaw server answers at http://127.0.0.1:9; start one with `copaw app`.\n"
    assert not home.exists()
