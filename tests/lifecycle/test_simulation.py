"""Seeds of the simulation: every invariant holds between any two steps, and nothing is left over at the end."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from copaw.testing.simulation import SimulationFailed, simulate

CHUNKS = 30
SEEDS = int(os.environ.get("COPAW_SIMULATION_SEEDS", "3000"))
PER_CHUNK = -(-SEEDS // CHUNKS)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_invariant_holds_for_every_seed(chunk: int) -> None:
    outcomes, ends = Counter[str](), Counter[str]()
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        report = simulate(seed)
        outcomes += report.outcomes
        ends += report.ends
    if PER_CHUNK >= 100:  # A world in which nothing happens proves nothing.
        assert outcomes.keys() >= {"swapped", "unchanged", "failed", "superseded"}
        assert ends.keys() >= {"completed", "failed", "user_stop", "reload_grace_expired", "server_shutdown"}


def test_a_seed_always_takes_the_same_course() -> None:
    first, second = simulate(7), simulate(7)
    assert first.trace == second.trace
    assert first.checks == second.checks


def simulate_all(seeds: range) -> None:
    for seed in seeds:
        simulate(seed)


def test_a_failure_names_its_seed_its_course_and_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Broken on purpose: nothing is ever superseded.
    monkeypatch.setattr("copaw.app.agent_slot.MAX_SUPERSEDED_IN_A_ROW", 0)
    with pytest.raises(SimulationFailed) as failed:
        simulate_all(range(200))
    text = str(failed.value)
    assert "invariant 7" in text
    assert f"--seed {failed.value.seed}" in text
    assert "reload: revision" in text
