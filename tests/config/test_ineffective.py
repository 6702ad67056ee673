"""What this version cannot do is said when somebody asks for it, and kept when it was there."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.config.ineffective import ineffective, refuse_ineffective
from copaw.config.models.running import AgentsRunningConfig
from copaw.errors import NotImplementedHere

ASKED: list[tuple[str, str, Any]] = [
    ("context_compact", "token_count_model", "qwen"),
    ("context_compact", "token_count_use_mirror", True),
    ("memory_summary", "force_memory_search", True),
    ("memory_summary", "rebuild_memory_index_on_start", True),
    ("embedding_config", "base_url", "http://127.0.0.1:1/v1"),
    ("embedding_config", "model_name", "some"),
    ("embedding_config", "api_key", "k"),
]


def running(section: str, field: str, value: Any) -> AgentsRunningConfig:
    return AgentsRunningConfig.model_validate({section: {field: value}})


@pytest.mark.parametrize(("section", "field", "value"), ASKED)
def test_a_new_value_is_refused_by_name_and_an_old_one_stays(section: str, field: str, value: Any) -> None:
    asked = running(section, field, value)
    with pytest.raises(NotImplementedHere, match=rf"^running\.{section}\.{field}: .* would have no effect: "):
        refuse_ineffective(AgentsRunningConfig(), asked)
    refuse_ineffective(asked, asked)
    refuse_ineffective(asked, AgentsRunningConfig())
    assert [one.field for one in ineffective(asked)] == [f"running.{section}.{field}"]


def test_the_defaults_ask_for_nothing_in_vain() -> None:
    assert [*ineffective(AgentsRunningConfig())] == []
