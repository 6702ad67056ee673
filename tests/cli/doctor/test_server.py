from __future__ import annotations

from dataclasses import replace

import pytest

from copaw import __version__
from copaw.cli.doctor import server as checks
from copaw.cli.doctor.finding import Subject


@pytest.fixture
def well(server):
    server.on("GET", "/readyz", {"status": "ready"})
    server.on("GET", "/api/version", {"version": __version__})
    server.on("GET", "/api/agents", {"agents": [{"id": "a", "enabled": True}, {"id": "off", "enabled": False}]})
    server.on("GET", "/api/lifecycle", {"agents": [{"agent_id": "a", "generations": [], "last_reload": None}]})
    server.on("GET", "/api/agents/a/channels/status", {"channels": [], "problems": []})
    return server


def everything(subject: Subject) -> list:
    every = (checks.check_server, checks.check_agents, checks.check_channels)
    return [finding for check in every for finding in check(subject)]


def test_no_server_is_no_fault_unless_the_directory_is_held(subject: Subject, bad) -> None:
    assert bad(everything(subject)) == []
    ((level, what),) = bad(everything(replace(subject, held=True)))
    assert (level, "does not answer" in what) == ("error", True)


def test_a_server_that_is_well(running: Subject, well, bad) -> None:
    assert bad(everything(running)) == []


def test_another_version_and_another_home_are_told(running: Subject, well, bad) -> None:
    well.on("GET", "/api/version", {"version": "1.0.9"})
    found = bad(everything(replace(running, held=False)))
    assert [level for level, _ in found] == ["warn", "warn"]
    assert "1.0.9" in found[0][1]
    assert "does not use" in found[1][1]


def test_one_that_does_not_serve_yet(running: Subject, well, bad) -> None:
    well.on("GET", "/readyz", {"status": "starting"}, status=503)
    assert "starting or ending" in bad(everything(running))[0][1]


def test_what_is_wrong_with_agents(running: Subject, well, bad) -> None:
    well.on("GET", "/api/agents", {"agents": [{"id": "a", "enabled": False, "problem": "agent.json: no"}]})
    found = bad(everything(running))
    assert found == [("error", "Agent a: agent.json: no")]
    well.on("GET", "/api/agents", {"agents": [{"id": "a", "enabled": False}]})
    failed = {"outcome": "failed", "error": {"message": "no disk"}}
    late = {"state": "draining", "drain_deadline": "2020-01-01T00:00:00.000+00:00", "leases": []}
    well.on("GET", "/api/lifecycle", {"agents": [{"agent_id": "a", "generations": [late], "last_reload": failed}]})
    assert bad(everything(running)) == [
        ("error", "The last reload of agent a failed: no disk"),
        ("warn", "Agent a has 1 replaced generation open beyond the time."),
    ]


@pytest.mark.parametrize("deadline", [None, "2999-01-01T00:00:00.000+00:00"])
def test_a_drain_within_its_time_is_well(running: Subject, well, bad, deadline: str | None) -> None:
    draining = {"state": "draining", "drain_deadline": deadline, "leases": []}
    well.on("GET", "/api/lifecycle", {"agents": [{"agent_id": "a", "generations": [draining], "last_reload": None}]})
    findings = everything(running)
    assert bad(findings) == []
    assert any("1 replaced generation finishing" in finding.what for finding in findings)


def test_channels_that_do_not_connect(running: Subject, well, bad) -> None:
    channels = [{"channel": "c", "state": "retrying", "error": "no route"}, {"channel": "d", "state": "connected"}]
    well.on("GET", "/api/agents/a/channels/status", {"channels": channels, "problems": ["x.py: no"]})
    assert bad(everything(running)) == [
        ("warn", "Channel c of agent a is retrying: no route"),
        ("warn", "A custom channel cannot be used: x.py: no"),
    ]


def test_the_channels_of_an_agent_that_does_not_serve_are_left_out(running: Subject, well, bad) -> None:
    well.on("GET", "/api/agents/a/channels/status", {"detail": "no"}, status=503)
    assert bad(everything(running)) == []
