from __future__ import annotations

import json

import pytest

from copaw.cli import status_view

LEASE = {"id": "l1", "kind": "task", "key": "t-1", "session_id": "s", "age_seconds": 75.0, "idle_seconds": 0.25}
DOCUMENT = {
    "agent_id": "default",
    "state": "serving",
    "generation": 2,
    "generations": [
        {"generation": 1, "state": "draining", "drain_deadline": "2026-01-01T00:00:00Z", "leases": [LEASE]},
        {"generation": 2, "state": "serving", "drain_deadline": None, "leases": []},
    ],
    "last_reload": {
        "outcome": "swapped",
        "generation": 2,
        "duration_seconds": 0.5,
        "changed": ["running"],
        "error": None,
    },
    "reload_pending": False,
}


def test_status_shows_what_keeps_each_generation_open(ask, server) -> None:
    server.on("GET", "/api/agents/default/lifecycle", DOCUMENT)
    text = ask("agents", "status", "default", env={"COLUMNS": "160"}).stdout
    first, second = (line for line in text.splitlines() if line.startswith("default  "))
    assert first.split("  ") != second.split("  ")
    for word in ("draining", "2026-01-01T00:00:00Z", "task", "t-1", "1 min 15 s", "0.2 s"):
        assert word in first
    assert "default: last reload: swapped, generation 2, in 0.5 s; changed: running" in text


@pytest.mark.parametrize("answer", [[DOCUMENT], {"agents": [DOCUMENT]}])
def test_status_of_all_agents_as_json(ask, server, answer) -> None:
    server.on("GET", "/api/lifecycle", answer)
    assert json.loads(ask("agents", "status", "--json").stdout) == [DOCUMENT]


def test_watching_without_a_terminal_prints_only_what_changed(monkeypatch, capsys) -> None:
    second = {**DOCUMENT, "generations": DOCUMENT["generations"][1:]}
    answers = iter([[DOCUMENT], [DOCUMENT], [second]])

    def read() -> list[dict[str, object]]:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(status_view, "WATCH_INTERVAL_S", 0)
    status_view.watch(read, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "default: generation 1 draining, kept by task t-1",
        "default: generation 2 serving, kept by nobody",
        "default: last reload: swapped, generation 2, in 0.5 s; changed: running",
    ]


def test_a_failed_reload_says_why() -> None:
    line = status_view.reload_line({"outcome": "failed", "error": {"message": "max_iters: too small"}})
    assert line == "failed; error: max_iters: too small"
