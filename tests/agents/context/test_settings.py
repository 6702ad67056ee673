"""From the configuration and the environment to numbers of tokens."""

from __future__ import annotations

import pytest

from copaw.agents.context.settings import ContextSettings
from copaw.config.models.running import AgentsRunningConfig
from copaw.errors import BadInput


def test_the_defaults_are_those_of_the_configuration() -> None:
    assert ContextSettings.from_running(AgentsRunningConfig(), {}) == ContextSettings()


def test_what_somebody_chose_wins_over_the_environment() -> None:
    environ = {"COPAW_MEMORY_COMPACT_RATIO": "0.5", "COPAW_MEMORY_COMPACT_KEEP_RECENT": "7"}
    chosen = AgentsRunningConfig.model_validate(
        {"max_input_length": 1000, "context_compact": {"memory_compact_ratio": 0.6, "memory_reserve_ratio": 0.2}}
    )
    found = ContextSettings.from_running(chosen, environ)
    assert (found.window, found.threshold, found.reserve, found.keep_recent) == (1000, 600, 200, 7)
    default = AgentsRunningConfig.model_validate({"max_input_length": 1000})
    assert ContextSettings.from_running(default, environ).threshold == 500


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COPAW_MEMORY_COMPACT_RATIO", "much"),
        ("COPAW_MEMORY_COMPACT_RATIO", "1.5"),
        ("COPAW_MEMORY_COMPACT_RATIO", "nan"),
        ("COPAW_MEMORY_COMPACT_KEEP_RECENT", "-1"),
    ],
)
def test_a_variable_that_is_no_such_number_is_named(variable: str, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        ContextSettings.from_running(AgentsRunningConfig(), {variable: value})
    assert caught.value.field == variable
    assert variable in caught.value.message
