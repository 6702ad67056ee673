"""Turning what pydantic found into one sentence for people, without giving secrets away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from copaw.errors import BadInput, ConfigFileError

_MAX_VALUE_CHARS = 80
_SECRET_WORDS = ("key", "secret", "token", "password", "auth", "headers", "env", "sk", "ak")


def file_error(path: Path, error: ValidationError) -> ConfigFileError:
    """The error of a file that does not validate: its first fault, and how many more there are."""
    field, problem, value = _first_fault(error)
    return ConfigFileError(path, problem, field=field, value=value)


def input_error(error: ValidationError) -> BadInput:
    """The error of a change that does not validate."""
    field, problem, value = _first_fault(error)
    return BadInput(f"{field}: {problem} (found {value})", field=field)


def _first_fault(error: ValidationError) -> tuple[str, str, str]:
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    field = ".".join(str(part) for part in first["loc"])
    others = len(faults) - 1
    more = f"; {others} more {'is' if others == 1 else 'are'} wrong" if others else ""
    return field, first["msg"] + more, shown(first["input"], field)


def shown(value: Any, field: str = "") -> str:
    """``value`` for an error message: short, containers by their kind alone, secrets not at all."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if _is_secret(field) and value not in (None, ""):
        return f"a hidden {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..."


def _is_secret(field: str) -> bool:
    words = {word for part in field.lower().split(".") for word in part.split("_")}
    return not words.isdisjoint(_SECRET_WORDS)
