from __future__ import annotations

from threading import Event

import pytest

from copaw.cli.client import Client
from copaw.cli.drill.changes import ChangeLost, Pace, run_rounds
from copaw.cli.transport import Transport


@pytest.fixture
def client(server) -> Client:
    return Client(Transport(server.base_url, agent_id="default"))


@pytest.fixture
def pace() -> Pace:
    return Pace(0.0, 0.2, Event())


def test_each_round_makes_four_real_changes(client: Client, pace: Pace, world) -> None:
    made = world(12)
    lines = list(run_rounds(client, 3, pace))
    assert len(made.saved) == 12
    assert len(set(made.saved)) == 4
    assert lines[-1] == "round 3: 4 changes, generation 9 -> 13"
    assert made.settings["/api/agent/running-config"] == {"max_iters": 103, "other": 1}
    assert made.settings["/api/config/channels"]["console"] == {"enabled": True, "bot_prefix": "[drill 3] "}


def test_a_change_that_is_not_kept_is_noticed(client: Client, pace: Pace, world) -> None:
    world(4, "forgets")
    with pytest.raises(ChangeLost, match=r"console.bot_prefix was set to '\[drill 1\] ' but reads ''"):
        list(run_rounds(client, 1, pace))


def test_a_generation_that_never_comes_is_noticed(client: Client, pace: Pace, world, server) -> None:
    world(4)
    server.on("GET", "/api/agents/default/lifecycle", {"generation": 1, "last_reload": {"outcome": "failed"}})
    with pytest.raises(ChangeLost, match=r"no generation after 1 served within 0.2 s; .*failed"):
        list(run_rounds(client, 1, pace))


def test_it_ends_early_when_told(client: Client, pace: Pace, world) -> None:
    made = world(4)
    pace.stopped.set()
    assert list(run_rounds(client, 2, pace)) == []
    assert made.saved == []
