"""What this version does not have says so in one sentence, with the way out, and fails."""

from __future__ import annotations

import pytest

ABSENT = [
    ("skills list", "AGENTS.md"),
    ("skills config --agent-id x", "AGENTS.md"),
    ("plugin list", "MCP server"),
    ("plugin info p", "MCP server"),
    ("plugin install ./p --force", "MCP server"),
    ("plugin uninstall p", "MCP server"),
    ("plugin validate ./p", "MCP server"),
    ("models download org/model -f a.gguf -s modelscope", "Ollama"),
    ("models local", "Ollama"),
    ("models remove-local m --yes", "Ollama"),
    ("desktop --host 127.0.0.1 --log-level debug", "copaw app"),
]


@pytest.mark.parametrize(("line", "way_out"), ABSENT)
def test_it_says_what_to_do_instead(run, line: str, way_out: str) -> None:
    result = run(*line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert way_out in result.stderr


@pytest.mark.parametrize(
    "line", ["plugin info", "models download", "models download a -s elsewhere", "skills nonsense"]
)
def test_wrong_usage_is_told_first(run, line: str) -> None:
    assert run(*line.split()).exit_code == 2
