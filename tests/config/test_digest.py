from __future__ import annotations

import re

from copaw.config.digest import changed_fields, config_digest
from copaw.config.models import AgentProfileConfig, LastApiConfig, LastDispatchConfig, RootConfig, new_profile


def profile() -> AgentProfileConfig:
    return new_profile("a", "A")


def test_equal_configurations_have_equal_digests() -> None:
    assert config_digest(profile()) == config_digest(profile())
    assert re.fullmatch(r"[0-9a-f]{16}", config_digest(profile()))


def test_run_time_state_is_no_configuration() -> None:
    talked = profile()
    talked.last_dispatch = LastDispatchConfig(channel="console", user_id="u", session_id="s")
    assert config_digest(talked) == config_digest(profile())
    assert changed_fields(profile(), talked) == []
    root = RootConfig(last_api=LastApiConfig(host="h", port=1), last_dispatch=LastDispatchConfig())
    assert config_digest(root) == config_digest(RootConfig())


def test_a_default_that_is_spelled_out_is_no_change() -> None:
    spelled = AgentProfileConfig.model_validate({"id": "a", "name": "A", "running": {"max_iters": 100}})
    assert config_digest(spelled) == config_digest(AgentProfileConfig(id="a", name="A"))


def test_every_configured_field_counts_unknown_ones_too() -> None:
    digests = {config_digest(profile())}
    for change in ({"name": "B"}, {"running": {"max_iters": 1}}, {"later": 1}):
        digests.add(config_digest(AgentProfileConfig.model_validate({**profile().model_dump(), **change})))
    assert len(digests) == 4


def test_changed_fields_are_dotted_paths() -> None:
    old, new = profile(), profile()
    new.running.max_iters = 5
    new.running.embedding_config.model_name = "m"
    new.name = "B"
    assert new.channels is not None
    new.channels.console.bot_prefix = "> "
    assert changed_fields(old, new) == [
        "channels.console.bot_prefix",
        "name",
        "running.embedding_config.model_name",
        "running.max_iters",
    ]


def test_a_field_this_version_does_not_know_is_named_too() -> None:
    further = AgentProfileConfig.model_validate({**profile().model_dump(), "later": 1})
    assert changed_fields(profile(), further) == changed_fields(further, profile()) == ["later"]


def test_deeper_changes_are_named_by_their_third_level() -> None:
    old, new = profile(), profile()
    assert new.mcp is not None
    new.mcp.clients["tavily_search"].env["TAVILY_API_KEY"] = "k"
    assert changed_fields(old, new) == ["mcp.clients.tavily_search"]


def test_a_section_that_appears_or_goes_is_named_whole() -> None:
    bare, full = AgentProfileConfig(id="a", name="A"), profile()
    assert changed_fields(bare, full) == ["channels", "mcp", "security", "tools"]
    assert changed_fields(full, bare) == ["channels", "mcp", "security", "tools"]
