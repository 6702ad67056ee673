"""JSON schema as models like it: inlined, without titles, optional arguments without ``null``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from copaw.ports import Json

_NULL = {"type": "null"}


def parameters_of(arguments: type[BaseModel]) -> Json:
    """JSON schema of a model as one self-contained object that allows no other properties.

    :raises ValueError: the model refers to itself, which cannot be inlined.
    """
    raw = arguments.model_json_schema()
    definitions = raw.pop("$defs", {})
    raw.pop("description", None)
    schema: Json = _clean(raw, definitions, ())
    schema.setdefault("properties", {})
    schema["additionalProperties"] = False
    return schema


def _clean(node: Any, definitions: Json, inside: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_clean(item, definitions, inside) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(node, definitions, inside)
    cleaned = {
        key: _clean_properties(value, definitions, inside)
        if key == "properties"
        else _clean(value, definitions, inside)
        for key, value in node.items()
        if key != "title"
    }
    return _without_null(cleaned)


def _clean_properties(properties: Json, definitions: Json, inside: tuple[str, ...]) -> Json:
    # Keys here are names of arguments, and one of them may well be "title".
    return {name: _clean(value, definitions, inside) for name, value in properties.items()}


def _inline(node: Json, definitions: Json, inside: tuple[str, ...]) -> Any:
    name = str(node["$ref"]).rpartition("/")[2]
    if name in inside:
        raise ValueError(f"The arguments model {name} refers to itself; a tool's schema must be inlined.")
    siblings = {key: value for key, value in node.items() if key != "$ref"}
    return _clean({**definitions[name], **siblings}, definitions, (*inside, name))


def _without_null(node: Json) -> Json:
    """``X | None = None`` becomes X: leaving the argument out says the same, and every provider takes it."""
    choices = node.get("anyOf")
    if not isinstance(choices, list) or _NULL not in choices:
        return node
    left = [choice for choice in choices if choice != _NULL]
    rest = {key: value for key, value in node.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
