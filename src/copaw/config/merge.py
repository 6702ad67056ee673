"""Carrying a change of a model over to the JSON object it was read from.

Writing the model itself would add every default to a short hand-written file and bury the change in noise.
"""

from __future__ import annotations

import json
from typing import Any

from copaw.ports import Json

_ABSENT = object()


def merge_changes(raw: Json, before: Json, after: Json) -> Json:
    """A copy of ``raw`` in which what differs between ``before`` and ``after`` is as in ``after``.

    A part that ``raw`` left to its default is written out whole, because a map with a default content would
    otherwise lose the entries that did not change.
    """
    merged = {key: value for key, value in raw.items() if key in after or key not in before}
    for key, new in after.items():
        old = before.get(key, _ABSENT)
        if old is not _ABSENT and same_json(old, new):
            continue
        present = raw.get(key)
        if isinstance(present, dict) and isinstance(old, dict) and isinstance(new, dict):
            merged[key] = merge_changes(present, old, new)
        else:
            merged[key] = new
    return merged


def same_json(left: Any, right: Any) -> bool:
    """Whether both are the same JSON, in which ``1``, ``1.0`` and ``true`` differ. The order of keys is ignored."""
    if left is right:
        return True
    if left != right:  # cheap, and enough to tell most apart
        return False
    return _same_kinds(left, right)


def _same_kinds(left: Any, right: Any) -> bool:
    """For values that are equal to Python."""
    kind = type(left)
    if kind is not type(right):
        return canonical(left) == canonical(right)
    if kind is dict:
        return all(value is right[key] or _same_kinds(value, right[key]) for key, value in left.items())
    if kind is list:
        return all(map(_same_kinds, left, right))
    return kind is not float or repr(left) == repr(right)  # 0.0 is not -0.0


def canonical(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no blanks, ASCII.

    :raises TypeError: it holds something that JSON has no form for.
    :raises ValueError: it holds NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
