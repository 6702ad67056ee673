"""JSON as it is sent to providers."""

from __future__ import annotations

import json
from typing import Any


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8. Half a surrogate pair, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
