"""What a message in a session file looks like. It is checked once, when it is read, and trusted afterwards.

Fields and types of blocks that are not known here are let through: they are kept, and passed over.
"""

from __future__ import annotations

from typing import Any

_ROLES = ("user", "assistant", "system")


def is_message(value: Any) -> bool:
    """Whether a value from a file is a message."""
    return (
        isinstance(value, dict)
        and value.get("role") in _ROLES
        and isinstance(value.get("name"), str)
        and isinstance(value.get("id"), str | None)
        and isinstance(value.get("timestamp"), str | None)
        and isinstance(value.get("metadata"), dict | None)
        and (isinstance(value.get("content"), str) or _are_blocks(value.get("content")))
    )


def _are_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(block, dict) and _is_block(block) for block in value)


def _is_block(block: dict[str, Any]) -> bool:
    match block.get("type"):
        case "text" | "thinking" as kind:
            return isinstance(block.get(kind), str | None)
        case "tool_use":
            known = isinstance(block.get("input"), dict | None) and isinstance(block.get("raw_input"), str | None)
            return known and _is_named(block)
        case "tool_result":
            output = block.get("output")
            return _is_named(block) and (isinstance(output, str | None) or _are_blocks(output))
        case "image" | "audio" | "video":
            return _is_source(block.get("source"))
        case "file":
            return block.get("source") is None or _is_source(block["source"])
        case kind:
            return isinstance(kind, str)


def _is_named(block: dict[str, Any]) -> bool:
    return isinstance(block.get("id"), str) and isinstance(block.get("name"), str)


def _is_source(source: Any) -> bool:
    match source:
        case {"type": "url", "url": str()} | {"type": "base64", "data": str(), "media_type": str()}:
            return True
        case {"type": "url" | "base64"}:
            return False
        case {"type": str()}:
            return True
    return False
