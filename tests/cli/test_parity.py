"""Every command, argument, option, flag, choice and default of the 1.0.2 contract is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from copaw.cli.main import COMMANDS, cli

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "cli.json").read_text("utf-8"))["root"]


def _walk(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield " ".join(path), node["params"]
    for name, child in node.get("commands", {}).items():
        yield from _walk(child, (*path, name))


def _command(path: str) -> click.Command:
    command: click.Command = cli
    for name in path.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{path}: no command {name}"
        command = found
    return command


def _type(info: dict[str, Any]) -> object:
    kind = info["type"]
    return {"choice": list(kind["choices"])} if kind["param_type"] == "Choice" else kind["name"]


@pytest.mark.parametrize(("path", "params"), list(_walk(CONTRACT)), ids=lambda value: str(value)[:30])
def test_a_command_keeps_its_parameters(path: str, params: list[dict[str, Any]]) -> None:
    have = {param.name: param.to_info_dict() for param in _command(path).params}
    for wanted in params:
        info = have.get(wanted["name"])
        assert info is not None, f"{path}: {wanted['name']} is missing"
        assert info["param_type_name"] == wanted["kind"]
        assert _type(info) == wanted["type"]
        assert info["required"] == wanted.get("required", False)
        assert info.get("multiple", False) == wanted.get("multiple", False)
        assert info.get("is_flag", False) == wanted.get("flag", False)
        if wanted["kind"] == "option":
            assert set(info["opts"] + info["secondary_opts"]) >= set(wanted["flags"])
        else:
            assert info["nargs"] == wanted["nargs"]
        if "default" in wanted:
            default = info["default"]
            assert (str(default) if isinstance(default, tuple) else default) == wanted["default"]
        elif not wanted.get("flag"):
            assert info["default"] is None


def test_new_parameters_are_never_required() -> None:
    for path, params in _walk(CONTRACT):
        known = {param["name"] for param in params}
        added = [param for param in _command(path).params if param.name not in known]
        assert not [param.name for param in added if param.required]


def test_the_table_has_no_entry_that_cannot_be_loaded() -> None:
    for name, entry in COMMANDS.items():
        assert _command(name).help, name
        assert entry.help.endswith(".")


def test_two_names_of_one_command_in_the_contract_are_one_command() -> None:
    of_the_same = [
        (name, other)
        for name, node in CONTRACT["commands"].items()
        for other, twin in CONTRACT["commands"].items()
        if name < other and node == twin and node.get("commands")
    ]
    assert of_the_same == [("agent", "agents"), ("channel", "channels"), ("chat", "chats")]
    for name, other in of_the_same:
        assert _command(name) is _command(other)
