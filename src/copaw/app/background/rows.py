"""Between records and rows: JSON is text in the database, an enum is its word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any

from copaw.app.background.records import Asker, CallbackState, OnInterrupt, TaskKind, TaskRecord, TaskState

_NAMES = tuple(field.name for field in fields(TaskRecord))
_LARGE = ("request", "result")
_AS_JSON = frozenset({*_LARGE, "chain", "asker"})
_all = attrgetter(*_NAMES)
# Escaped, because neither half a surrogate pair nor a zero character is text to every database.
_encode = json.JSONEncoder(separators=(",", ":")).encode
LISTED = frozenset(_NAMES) - frozenset(_LARGE)
"""The columns that a list needs."""


def row_of(values: TaskRecord | Mapping[str, Any]) -> dict[str, Any]:
    """A record, or some fields of one, as column values."""
    if isinstance(values, TaskRecord):
        values = dict(zip(_NAMES, _all(values), strict=True))
    return {name: _column(name, value) for name, value in values.items()}


def _column(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _AS_JSON:
        return _encode(asdict(value) if isinstance(value, Asker) else value)
    return value.value if isinstance(value, StrEnum) else value


def record_of(row: Any) -> TaskRecord:
    """A record from a row of all columns, or of those in :data:`LISTED`."""
    values = dict(row._mapping)
    values["state"] = TaskState(values["state"])
    values["on_interrupt"] = OnInterrupt(values["on_interrupt"])
    values["chain"] = tuple(json.loads(values["chain"]))
    values["resumes"] = bool(values["resumes"])
    values["events_truncated"] = bool(values["events_truncated"])
    values["kind"] = TaskKind(values["kind"])
    for name in ("callback_state", "notice_state"):
        if values[name] is not None:
            values[name] = CallbackState(values[name])
    if values["asker"] is not None:
        values["asker"] = Asker(**json.loads(values["asker"]))
    for name in _LARGE:
        if values.get(name) is not None:
            values[name] = json.loads(values[name])
    return TaskRecord(**values)
