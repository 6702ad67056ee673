"""Changing settings field by field: what a client does not send stays as it is."""

from __future__ import annotations

from typing import TypeVar

from copaw.config.models import ConfigModel
from copaw.ports import Json

M = TypeVar("M", bound=ConfigModel)


def merged(base: Json, patch: Json) -> Json:
    """``base`` with the fields of ``patch``; an object in both is merged in the same way, a list is replaced."""
    result = dict(base)
    for key, value in patch.items():
        present = result.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            result[key] = merged(present, value)
        else:
            result[key] = value
    return result


def patched(model: M, patch: Json) -> M:
    """A checked copy of ``model`` with the fields of ``patch``, fields this version does not know included.

    :raises pydantic.ValidationError: the result is not valid. Inside a change of the configuration store that
        becomes ``BadInput`` with the field's path.
    """
    return type(model).model_validate(merged(model.model_dump(), patch))
