"""What bodies of requests have in common."""

import json
import math
from typing import Any

from fastapi import Depends, Request

from copaw.config.models import ConfigModel
from copaw.errors import BadInput

_MAX_DEPTH = 64


def part_of(model: type[ConfigModel]) -> dict[str, Any]:
    """What the interface description says of a body that may leave out any field of ``model``.

    ``model`` must be what some operation answers, so that the description knows it.
    """
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


async def storable_json(request: Request) -> None:
    """Refuse a JSON body that could be taken but never be written or answered again.

    Python's parser lets NaN, infinities, halves of surrogate pairs and very deep nesting through.

    :raises BadInput: names the field.
    """
    data = await request.body()
    if not data:
        return
    try:
        value = json.loads(data)
    except ValueError:
        return  # the operation itself says what is wrong with it
    except RecursionError as error:
        raise BadInput(f"body: nested more than {_MAX_DEPTH} levels deep.", field="body") from error
    check_storable(value)


def check_storable(value: Any) -> None:
    """Refuse what :func:`storable_json` refuses.

    :raises BadInput: names the field.
    """
    if _is_storable(value):
        return
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        if problem := _problem(found, len(path)):
            field = ".".join(path[:_MAX_DEPTH]) or "body"
            raise BadInput(f"{field}: {problem}.", field=field)
        if isinstance(found, dict):
            waiting += [((*path, _shown(key)), part) for key, item in found.items() for part in (key, item)]
        elif isinstance(found, list):
            waiting += [((*path, str(index)), item) for index, item in enumerate(found)]


def _is_storable(value: Any) -> bool:
    """Whether there is certainly nothing to refuse. Looking for it takes ten times as long as this."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return text.count("[") + text.count("{") <= _MAX_DEPTH


def _problem(value: object, depth: int) -> str:
    if depth > _MAX_DEPTH:
        return f"nested more than {_MAX_DEPTH} levels deep"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and infinities are no JSON numbers"
    if isinstance(value, str) and _shown(value) != value:
        return "half of a surrogate pair is no text"
    return ""


def _shown(text: str) -> str:
    return text.encode(errors="replace").decode()


StorableJson = Depends(storable_json)
"""For the ``dependencies`` of a router whose bodies are kept."""
