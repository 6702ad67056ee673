from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from copaw.config.models import RootConfig
from copaw.config.problems import file_error, input_error, shown


def fault(content: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        RootConfig.model_validate(content)
    return caught.value


def test_the_sentence_names_file_field_and_value() -> None:
    error = file_error(Path("/x/config.json"), fault({"agents": {"running": {"max_iters": "many"}}}))
    assert (error.field, error.value) == ("agents.running.max_iters", "'many'")
    assert str(error).startswith("/x/config.json, field 'agents.running.max_iters': ")


def test_a_change_is_answered_with_its_field() -> None:
    error = input_error(fault({"agents": {"audio_mode": "loud"}}))
    assert error.field == "agents.audio_mode"
    assert error.message.startswith("agents.audio_mode: ")
    assert "'loud'" in error.message


def test_several_faults_are_counted() -> None:
    assert "; 1 more is wrong" in input_error(fault({"show_tool_details": 5, "user_timezone": 5})).message


@pytest.mark.parametrize(
    "field",
    ["channels.telegram.bot_token", "agents.running.embedding_config.api_key", "mcp.clients.x.env.TAVILY_API_KEY"],
)
def test_secrets_are_not_shown(field: str) -> None:
    assert "s3cret" not in shown("s3cret", field)


def test_long_values_are_cut_and_containers_named() -> None:
    assert len(shown("x" * 500)) == 80
    assert shown({"api_key": "s3cret"}) == "an object"
    assert shown(["s3cret"]) == "a list"
    assert shown("x", "agents.audio_mode") == "'x'"
