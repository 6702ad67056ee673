"""Telling configurations apart."""

from __future__ import annotations

import hashlib
from typing import Any

from copaw.config.merge import canonical, same_json
from copaw.config.models.base import ConfigModel
from copaw.config.shared_parts import not_shared
from copaw.ports import Json

RUN_TIME_STATE = frozenset({"last_dispatch", "last_api"})
"""Top-level fields that change while an agent works and are no configuration."""

_MAX_DEPTH = 3
_ABSENT = object()


def config_digest(model: ConfigModel) -> str:
    """16 hexadecimal digits that are equal for equal configurations; run-time state does not count."""
    return hashlib.sha256(canonical(configured(model)).encode()).hexdigest()[:16]


def configured(model: ConfigModel) -> Json:
    """The content of ``model`` without run-time state."""
    return model.model_dump(exclude=set(RUN_TIME_STATE))


def changed_fields(old: ConfigModel, new: ConfigModel) -> list[str]:
    """Dotted paths that differ, at most three names deep, sorted: ``running.max_iters``. No run-time state."""
    apart = not_shared(old, new) - RUN_TIME_STATE
    before, after = old.model_dump(include=apart), new.model_dump(include=apart)
    return sorted(_differences(before, after, (), _MAX_DEPTH))


def _differences(old: Any, new: Any, path: tuple[str, ...], depth: int) -> list[str]:
    if old is not _ABSENT and new is not _ABSENT and same_json(old, new):
        return []
    if depth == 0 or not isinstance(old, dict) or not isinstance(new, dict):
        return [".".join(path)]
    return [
        difference
        for key in {**old, **new}
        for difference in _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key), depth - 1)
    ]
