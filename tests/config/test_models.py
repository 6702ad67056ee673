"""The models say what the contract says: every field, type, bound and default of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from copaw.config import models
from copaw.config.models import (
    AgentProfileConfig,
    AgentsRunningConfig,
    ChannelConfig,
    RootConfig,
    ToolsConfig,
    builtin_tool_defaults,
    new_profile,
)

CONTRACT = Path(__file__).parents[1] / "contract"
SCHEMA = json.loads((CONTRACT / "config.schema.json").read_text(encoding="utf-8"))
OURS_ALONE = {
    "AgentsRunningConfig": {
        "reload_grace_seconds",
        "max_draining",
        "max_running_tasks",
        "background_task_timeout_seconds",
        "reload_settle_seconds",
    }
}


def sample(name: str) -> Any:
    text = (CONTRACT / "samples" / name).read_text(encoding="utf-8")
    return json.loads(text.replace("<home>", "/home/somebody"))


def definitions() -> dict[str, dict[str, Any]]:
    found = {"RootConfig": SCHEMA["config.json"], "AgentProfileConfig": SCHEMA["agent.json"]}
    for document in SCHEMA.values():
        found |= document["$defs"]
    return found


def without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: without_prose(value) for key, value in node.items() if key not in ("title", "description", "default")
        }
    return [without_prose(item) for item in node] if isinstance(node, list) else node


def without_nothing(node: Any) -> Any:
    """A value without what is null: 1.0.2 writes agent.json that way."""
    if isinstance(node, dict):
        return {key: without_nothing(value) for key, value in node.items() if value is not None}
    return node


def without_texts(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_texts(value) for key, value in node.items() if key != "description"}
    return node


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return bool(whole == part)


@pytest.mark.parametrize("name", sorted(definitions()))
def test_a_model_has_every_field_of_the_contract(name: str) -> None:
    model: type[BaseModel] = vars(models)[name]
    wanted, ours = definitions()[name], model.model_json_schema()
    assert set(ours["properties"]) - OURS_ALONE.get(name, set()) == set(wanted["properties"])
    assert set(ours.get("required", [])) == set(wanted.get("required", []))
    for field, rule in wanted["properties"].items():
        assert without_prose(ours["properties"][field]) == without_prose(rule), field
        if "default" in rule:
            default = model.model_fields[field].get_default(call_default_factory=True, validated_data={})
            dumped = default.model_dump() if isinstance(default, BaseModel) else default
            assert contains(dumped, rule["default"]), field


@pytest.mark.parametrize("name", sorted(definitions()))
def test_a_model_keeps_fields_it_does_not_know(name: str) -> None:
    model: type[BaseModel] = vars(models)[name]
    required = dict.fromkeys(definitions()[name].get("required", []), "x")
    assert model.model_validate({**required, "later": {"a": [1]}}).model_dump()["later"] == {"a": [1]}


def test_a_new_profile_is_the_default_agent_of_1_0_2() -> None:
    profile = new_profile("default", "Default", workspace_dir="/home/somebody/.copaw/workspaces/default")
    ours, theirs = without_texts(profile.model_dump()), without_texts(sample("agent_default.json"))
    for field in OURS_ALONE["AgentsRunningConfig"]:
        ours["running"].pop(field)
    assert ours == theirs
    assert without_nothing(ours) == without_texts(sample("file_agent.json"))


def test_root_defaults_are_those_of_1_0_2() -> None:
    ours, theirs = without_texts(RootConfig().model_dump()), without_texts(sample("file_config.json"))
    for field in ("last_api", "user_timezone"):
        ours.pop(field)
        theirs.pop(field)
    for field in ("profiles", "agent_order", "defaults", "installed_md_files_language"):
        ours["agents"].pop(field)
        theirs["agents"].pop(field)
    for field in OURS_ALONE["AgentsRunningConfig"]:
        ours["agents"]["running"].pop(field)
    assert ours == theirs


@pytest.mark.parametrize(("name", "model"), [("file_config.json", RootConfig), ("file_agent.json", AgentProfileConfig)])
def test_a_file_of_1_0_2_comes_through_whole(name: str, model: type[BaseModel]) -> None:
    assert contains(model.model_validate(sample(name)).model_dump(), sample(name))


def test_the_built_in_tools_are_those_of_the_contract_with_a_text_each() -> None:
    theirs = sample("agent_default.json")["tools"]["builtin_tools"]
    ours = {name: tool.model_dump() for name, tool in builtin_tool_defaults().items()}
    assert list(ours) == list(theirs)
    assert without_texts(ours) == without_texts(theirs)
    assert all(len(tool["description"]) > 10 for tool in ours.values())


def test_a_built_in_tool_that_a_file_does_not_name_has_its_defaults() -> None:
    tools = ToolsConfig.model_validate(
        {"builtin_tools": {"read_file": {"name": "read_file", "enabled": False}, "mine": {"name": "mine"}}}
    )
    assert tools.builtin_tools["read_file"].enabled is False
    assert tools.builtin_tools["edit_file"].enabled is True
    assert tools.builtin_tools["mine"].name == "mine"


def test_a_custom_channel_is_kept() -> None:
    channels = ChannelConfig.model_validate({"pigeon": {"enabled": True, "loft": "north"}})
    assert channels.model_dump()["pigeon"] == {"enabled": True, "loft": "north"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reload_grace_seconds", -1),
        ("reload_grace_seconds", float("inf")),
        ("max_draining", 0),
        ("background_task_timeout_seconds", 0),
        ("reload_settle_seconds", -0.1),
    ],
)
def test_limits_of_our_own_are_checked(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        AgentsRunningConfig.model_validate({field: value})


def test_limits_of_our_own_have_these_defaults_and_forms() -> None:
    running = AgentsRunningConfig()
    assert running.reload_grace_seconds == 3600
    assert running.max_draining == 8
    assert running.background_task_timeout_seconds == 3600
    assert running.reload_settle_seconds == 0.05
    given = AgentsRunningConfig.model_validate(
        {"reload_grace_seconds": None, "background_task_timeout_seconds": "7200"}
    )
    assert given.reload_grace_seconds is None
    assert given.background_task_timeout_seconds == 7200
    assert AgentsRunningConfig(reload_grace_seconds=0).reload_grace_seconds == 0
