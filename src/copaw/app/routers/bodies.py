"""What bodies of requests have in common."""

import math
from typing import Any

from fastapi import Depends, Request

from copaw.config.models import ConfigModel
from copaw.errors import BadInput


def part_of(model: type[ConfigModel]) -> dict[str, Any]:
    """What the interface description says of a body that may leave out any field of ``model``.

    ``model`` must be what some operation answers, so that the description knows it.
    """
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


async def storable_json(request: Request) -> None:
    """Refuse a JSON body that could be taken but never be written or answered again.

    Python's parser lets NaN, infinities and halves of surrogate pairs through.

    :raises BadInput: names the field.
    """
    if not await request.body():
        return
    try:
        value = await request.json()
    except ValueError:
        return  # the operation itself says what is wrong with it
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        field, found = waiting.pop()
        if isinstance(found, dict):
            waiting += [(f"{field}.{_shown(key)}" if field else _shown(key), item) for key, item in found.items()]
            waiting += [(f"{field}.{_shown(key)}", key) for key in found]
        elif isinstance(found, list):
            waiting += [(f"{field}.{index}" if field else str(index), item) for index, item in enumerate(found)]
        elif problem := _problem(found):
            where = field.strip(".")
            raise BadInput(f"{where}: {problem}.", field=where)


def _problem(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and infinities are no JSON numbers"
    if isinstance(value, str) and _shown(value) != value:
        return "half of a surrogate pair is no text"
    return ""


def _shown(text: str) -> str:
    return text.encode(errors="replace").decode()


StorableJson = Depends(storable_json)
"""For the ``dependencies`` of a router whose bodies are kept."""
