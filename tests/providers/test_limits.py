from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.errors import BadInput
from copaw.providers.limits import LLMLimits

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"


def test_the_defaults_are_those_of_the_running_configuration() -> None:
    running = json.loads((SAMPLES / "running_config.json").read_text())
    assert LLMLimits.from_running(running, {}) == LLMLimits() == LLMLimits.from_running({}, {})


def test_the_environment_replaces_a_default_and_yields_to_an_explicit_value() -> None:
    environ = {"COPAW_LLM_MAX_RETRIES": "7", "COPAW_LLM_BACKOFF_BASE": "0.5", "COPAW_LLM_MAX_QPM": "0"}
    limits = LLMLimits.from_running({"llm_max_retries": 3, "llm_backoff_base": 2.0}, environ)
    assert (limits.max_retries, limits.backoff_base_s, limits.max_qpm) == (7, 2.0, 0)


@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_bad_variable_is_named(value: str) -> None:
    with pytest.raises(BadInput, match="COPAW_LLM_MAX_RETRIES") as caught:
        LLMLimits.from_running({}, {"COPAW_LLM_MAX_RETRIES": value})
    assert caught.value.field == "COPAW_LLM_MAX_RETRIES"


def test_nan_is_no_number_of_seconds() -> None:
    with pytest.raises(BadInput, match="COPAW_LLM_BACKOFF_CAP"):
        LLMLimits.from_running({}, {"COPAW_LLM_BACKOFF_CAP": "nan"})


def test_backoff_doubles_up_to_the_cap() -> None:
    limits = LLMLimits(backoff_base_s=1, backoff_cap_s=5)
    assert [limits.backoff_s(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]


def test_no_retry_means_one_attempt() -> None:
    assert LLMLimits.from_running({"llm_retry_enabled": False}, {}).attempts == 1
    assert LLMLimits().attempts == 4
