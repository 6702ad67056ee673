from __future__ import annotations

from pathlib import Path

import pytest

from copaw.cli import shutdown
from copaw.cli.shutdown import StillDraining, wait
from copaw.config.secrets import SecretFiles


@pytest.fixture
def token(home: Path) -> str:
    SecretFiles(home.parent / "secret").write("local_token", {"token": "t0p"})
    return "t0p"


def test_the_local_token_is_shown(ask, server, token: str) -> None:
    server.on("POST", "/api/agent/shutdown", {"status": "shutting down"})
    result = ask("shutdown", "--timeout", "0")
    assert (result.exit_code, result.stderr) == (0, "")
    assert server.seen[-1].headers["authorization"] == f"Bearer {token}"


def test_a_token_that_is_made_meanwhile_is_read(ask, server, home: Path) -> None:
    def answer(request):
        if request.headers.get("authorization") == "Bearer made":
            return 200, {}
        SecretFiles(home.parent / "secret").write("local_token", {"token": "made"})
        return 403, {"detail": "no"}

    server.routes["POST", "/api/agent/shutdown"] = answer
    assert ask("shutdown", "--timeout", "0").exit_code == 0


@pytest.mark.parametrize(("status", "why"), [(403, "COPAW_SECRET_DIR"), (500, "The server answered 500")])
def test_a_refusal_says_what_to_do(ask, server, token: str, status: int, why: str) -> None:
    server.on("POST", "/api/agent/shutdown", {}, status=status)
    result = ask("shutdown")
    assert result.exit_code == 1
    assert why in result.stderr


def test_without_a_server_it_says_so(run, token: str) -> None:
    result = run("shutdown", "--port", "9")
    assert result.exit_code == 1
    assert "No copaw server answers at http://127.0.0.1:9" in result.stderr


def test_a_negative_timeout_is_wrong_usage(run) -> None:
    assert run("shutdown", "--timeout", "-1").exit_code == 2


def test_what_is_under_way_is_told_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(float(second) for second in range(20))
    wait(iter(["2 runs", "2 runs", "", "1 run", "1 run"]), 100, lambda: next(clock))
    assert capsys.readouterr().out.splitlines() == ["2 runs", "1 run", "The server has ended after 6.0 s."]


def test_waiting_has_an_end() -> None:
    clock = iter(float(second) for second in range(20))
    with pytest.raises(StillDraining, match="copaw agents status"):
        wait(iter(["1 run"] * 10), 3, lambda: next(clock))


def test_who_holds_what_is_told(server) -> None:
    from copaw.cli.client import Client
    from copaw.cli.transport import Transport

    client = Client(Transport(server.base_url))
    leases = [{"kind": "run"}, {"kind": "run"}, {"kind": "cron"}]
    server.on("GET", "/api/lifecycle", {"agents": [{"agent_id": "a", "generations": [{"leases": leases}]}]})
    assert shutdown.under_way(client) == "Still under way: 3 (cron of a, run of a)"
    server.on("GET", "/api/lifecycle", {"agents": [{"agent_id": "a", "generations": []}]})
    assert shutdown.under_way(client) == "Nothing is under way any more; it is closing."
