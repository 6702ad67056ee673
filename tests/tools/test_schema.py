from __future__ import annotations

import json
from enum import StrEnum

import pytest
from pydantic import BaseModel, Field

from copaw.tools.registry import BUILTIN
from copaw.tools.schema import parameters_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """Where."""

    title: str
    x: int = 0


class Drawing(BaseModel):
    """A docstring for developers."""

    points: list[Point]
    colour: Colour = Colour.RED
    label: str | None = Field(None, description="What to write.")
    size: int | str | None = None


class Node(BaseModel):
    child: Node | None = None


def test_models_and_enums_are_inlined_without_titles_and_nulls() -> None:
    assert parameters_of(Drawing) == {
        "type": "object",
        "properties": {
            "points": {
                "type": "array",
                "items": {
                    "type": "object",
                    "description": "Where.",
                    "properties": {"title": {"type": "string"}, "x": {"type": "integer", "default": 0}},
                    "required": ["title"],
                },
            },
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "label": {"type": "string", "description": "What to write."},
            "size": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        },
        "required": ["points"],
        "additionalProperties": False,
    }


def test_a_model_within_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="Node refers to itself"):
        parameters_of(Node)


@pytest.mark.parametrize("tool", BUILTIN, ids=lambda tool: tool.name)
def test_the_schema_of_every_tool_is_plain(tool: object) -> None:
    schema = tool.parameters  # type: ignore[attr-defined]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert not {"$defs", "$ref", '"title"', "anyOf"} & set(json.dumps(schema).replace(":", " ").split())
    for argument in schema["properties"].values():
        assert argument["description"]
        assert argument["type"] in {"string", "integer", "boolean"}
