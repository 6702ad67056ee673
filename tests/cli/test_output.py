from __future__ import annotations

import pytest

from copaw.cli.output import count, seconds, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2e9, "2.0 GB"), (3e12, "3.0 TB")],
)
def test_sizes_are_for_people(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.06, "4.1 s"), (182, "3 min 2 s"), (7500, "2 h 5 min"), (None, "-"), (True, "-")]
)
def test_durations_are_for_people(value: object, text: str) -> None:
    assert seconds(value) == text


def test_one_is_not_many() -> None:
    assert (count(1, "agent"), count(2, "agent"), count(0, "agent")) == ("1 agent", "2 agents", "0 agents")
