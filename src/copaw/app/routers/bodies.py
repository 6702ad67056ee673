"""Bodies that are parts of a document: taken as they are, merged, and checked as a whole."""

from typing import Any

from copaw.config.models import ConfigModel


def part_of(model: type[ConfigModel]) -> dict[str, Any]:
    """What the interface description says of a body that may leave out any field of ``model``.

    ``model`` must be what some operation answers, so that the description knows it.
    """
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}
