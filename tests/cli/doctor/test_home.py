from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.cli.doctor import home
from copaw.cli.doctor.finding import Subject


def everything(subject: Subject) -> list:
    checks = (home.check_config, home.check_agents, home.check_records, home.check_secrets)
    return [finding for check in checks for finding in check(subject)]


def test_a_new_home_is_well(subject: Subject, bad) -> None:
    assert bad(everything(subject)) == []


def test_no_home_is_only_worth_a_word(subject: Subject, made: Path, bad) -> None:
    (made / "config.json").unlink()
    ((level, what),) = bad(everything(subject))
    assert (level, "no home" in what) == ("warn", True)


@pytest.mark.parametrize("text", ["{", "[]", '{"agents": {"profiles": 3}}', ""])
def test_a_broken_config_is_named_with_its_field(subject: Subject, made: Path, bad, text: str) -> None:
    (made / "config.json").write_text(text)
    ((level, what),) = bad(everything(subject))
    assert level == "error"
    assert str(made / "config.json") in what


def test_what_an_agent_lacks_is_named(subject: Subject, made: Path, bad) -> None:
    workspace = made / "workspaces" / "default"
    (workspace / "SOUL.md").unlink()
    assert bad(everything(subject)) == [("warn", "Agent default lacks its prompt file SOUL.md.")]
    profile = json.loads((workspace / "agent.json").read_text())
    (workspace / "agent.json").write_text(json.dumps({**profile, "running": {"max_iters": "many"}}))
    ((level, what),) = bad(everything(subject))
    assert level == "error"
    assert "running.max_iters" in what


def test_a_workspace_that_is_gone_is_named(subject: Subject, made: Path, bad) -> None:
    (made / "workspaces" / "default").rename(made / "elsewhere")
    assert [(level, "is missing" in what) for level, what in bad(everything(subject))] == [("error", True)]


def test_a_disabled_agent_is_not_looked_at(subject: Subject, made: Path, bad) -> None:
    config = json.loads((made / "config.json").read_text())
    config["agents"]["profiles"]["default"]["enabled"] = False
    (made / "config.json").write_text(json.dumps(config))
    (made / "workspaces" / "default" / "agent.json").unlink()
    assert bad(everything(subject)) == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("chats.json", b"{", "not JSON"),
        ("chats.json", b"[]", "must hold a JSON object"),
        ("jobs.json", b"\xff", "not UTF-8"),
        ("jobs.json", b'{"version": 1, "jobs": [{"id": 1}]}', "jobs.0"),
        ("sessions/u_s.json", b"", "the file is empty"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(
    subject: Subject, made: Path, bad, name: str, content: bytes, why: str
) -> None:
    file = made / "workspaces" / "default" / name
    file.write_bytes(content)
    ((level, what),) = bad(everything(subject))
    assert level == "error"
    assert str(file) in what
    assert why in what


def test_broken_secrets_are_named(subject: Subject, bad) -> None:
    providers = subject.paths.providers_dir / "builtin"
    providers.mkdir()
    (providers / "openai.json").write_text("{")
    (subject.paths.secret_dir / "envs.json").write_text('{"A": 1}')
    found = bad(everything(subject))
    assert [level for level, _ in found] == ["error", "error"]
    assert "openai.json" in found[0][1]
    assert "envs.json" in found[1][1]
