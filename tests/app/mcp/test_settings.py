"""What one connection depends on decides who shares it; variables are filled in or missed by name."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.app.mcp.settings import checked, fill, is_reference, resolved
from copaw.config.models import MCPClientConfig
from copaw.errors import BadInput


def config(**fields: Any) -> MCPClientConfig:
    return MCPClientConfig.model_validate({"name": "n", "command": "server", **fields})


def key(agent_id: str = "a", variables: dict[str, str] | None = None, **fields: Any) -> str:
    return resolved("k", config(**fields), variables or {}).key(agent_id)


@pytest.mark.parametrize("same", [{"name": "other"}, {"description": "d"}, {"enabled": False}, {"future": 1}])
def test_what_people_read_is_no_part_of_the_connection(same: dict[str, Any]) -> None:
    assert key(**same) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"command": "c"},
        {"args": ["x"]},
        {"env": {"A": "b"}},
        {"cwd": "/tmp"},
        {"transport": "sse", "url": "http://u"},
        {"call_timeout_seconds": 5},
        {"headers": {"A": "b"}},
    ],
)
def test_everything_else_is(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_agents_share_what_may_be_shared() -> None:
    assert key("a") == key("b")
    assert key("a", share=False) != key("b", share=False)
    assert key("a", share=False) == key("a", share=False)


def test_a_changed_variable_is_another_connection() -> None:
    fields = {"env": {"KEY": "${SECRET}"}}
    assert key(variables={"SECRET": "1"}, **fields) != key(variables={"SECRET": "2"}, **fields)


def test_variables_are_filled_in_everywhere() -> None:
    settings = resolved(
        "k",
        config(
            command="${BIN}/server",
            args=["--key", "${KEY}"],
            env={"A": "x-${KEY}-y"},
            headers={"Authorization": "Bearer ${KEY}"},
            cwd="${NONE:-/tmp}",
        ),
        {"BIN": "/usr/bin", "KEY": "s"},
    )
    assert (settings.command, settings.args, settings.env) == ("/usr/bin/server", ("--key", "s"), {"A": "x-s-y"})
    assert (settings.headers, settings.cwd) == ({"Authorization": "Bearer s"}, "/tmp")


def test_a_variable_that_is_not_set_is_named_with_its_field() -> None:
    with pytest.raises(BadInput, match=r"clients\.k\.env\.A: the variable KEY is not set") as caught:
        resolved("k", config(env={"A": "${KEY}"}), {})
    assert caught.value.field == "clients.k.env.A"


@pytest.mark.parametrize("text", ["$KEY", "{KEY}", "${}", "${1X}", "$", "100%"])
def test_what_is_no_reference_stays_as_it_is(text: str) -> None:
    assert fill(text, {}, field="f") == text
    assert not is_reference(text)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"command": ""}, "command"),
        ({"transport": "sse"}, "url"),
        ({"transport": "streamable_http", "url": "ftp://x"}, "url"),
        ({"connect_timeout_seconds": 0}, "connect_timeout_seconds"),
        ({"call_timeout_seconds": "soon"}, "call_timeout_seconds"),
        ({"share": "perhaps"}, "share"),
    ],
)
def test_bad_settings_are_refused_with_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked("k", config(**fields))
    assert caught.value.field == f"clients.k.{field}"
