from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.cli.doctor import access
from copaw.cli.doctor.finding import Subject


def test_an_account_that_cannot_be_read_is_told(subject: Subject, bad) -> None:
    assert list(access.check_account(subject)) == []
    (subject.paths.secret_dir / "auth.json").write_text("{}")
    ((level, what),) = bad(access.check_account(subject))
    assert (level, "auth.json" in what) == ("error", True)


@pytest.mark.parametrize(
    ("host", "enabled", "levels"),
    [("127.0.0.1", False, []), ("0.0.0.0", True, []), ("0.0.0.0", False, ["warn"]), ("::", False, ["warn"])],
)
def test_a_server_that_is_open_to_the_network_is_told(
    running: Subject, server, made: Path, bad, host: str, enabled: bool, levels: list[str]
) -> None:
    (made / "runtime.json").write_text(json.dumps({"last_api": {"host": host, "port": 8088}}))
    server.on("GET", "/api/auth/status", {"enabled": enabled, "has_users": enabled})
    findings = list(access.check_network(running))
    assert len(findings) == 1
    assert [level for level, _ in bad(findings)] == levels


def test_without_a_server_there_is_nothing_to_say(subject: Subject) -> None:
    assert list(access.check_network(subject)) == []
