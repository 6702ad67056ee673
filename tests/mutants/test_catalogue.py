"""The catalogue of mutants fits the sources. Whether they are killed is seen by ``python -m tests.mutants``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "copaw"
MUTANTS = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text("utf-8"))["mutant"]


def test_there_are_enough_of_them_and_each_has_a_name_of_its_own() -> None:
    names = [mutant["name"] for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_mutant_is_not_stale(mutant: dict[str, str]) -> None:
    text = (SOURCES / mutant["file"]).read_text("utf-8")
    for part in ("old", "also_old"):
        if part in mutant:
            assert text.count(mutant[part]) == 1, f"mutant is stale: {mutant['name']}: {part!r} no longer fits"
