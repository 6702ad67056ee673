"""A session as clients see it: the messages of a chat in the shapes of the wire protocol."""

from __future__ import annotations

import json

from copaw.app.runner.events import CALLS, OUTPUTS, content_item
from copaw.app.runner.session import Entry
from copaw.ports import Block, Json


def wire_messages(content: list[Entry]) -> list[Json]:
    """Every message of a session; tool calls and results are messages of their own."""
    return [wire for message, _ in content for wire in _wire(message)]


def _wire(message: Json) -> list[Json]:
    blocks = message["content"]
    if isinstance(blocks, str):
        blocks = [{"type": "text", "text": blocks}]
    role = message["role"]
    parts: list[Json] = []
    plain: list[Json] = []
    for block in blocks:
        special = _special(block)
        if special is not None:
            _flush(plain, role, parts)
            parts.append(special)
        elif (item := _item(block)) is not None:
            plain.append({"object": "content", "index": len(plain), "delta": False, **item})
    _flush(plain, role, parts)
    return [_message(message, position, part) for position, part in enumerate(parts)]


def _flush(plain: list[Json], role: str, parts: list[Json]) -> None:
    if plain:
        parts.append({"type": "message", "role": role, "content": list(plain)})
        plain.clear()


def _item(block: Block) -> Json | None:
    if block.get("type") == "text":
        return {"type": "text", "text": block.get("text", "")}
    return content_item(block)


def _special(block: Block) -> Json | None:
    match block.get("type"):
        case "thinking":
            thought = {"object": "content", "type": "text", "index": 0, "text": block.get("thinking", "")}
            return {"type": "reasoning", "role": "assistant", "content": [thought]}
        case "tool_use":
            arguments = block.get("raw_input") or json.dumps(block.get("input") or {}, ensure_ascii=False)
            return _data(CALLS["mcp_server" in block], "assistant", block, "arguments", arguments)
        case "tool_result":
            output = block.get("output")
            text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
            return _data(OUTPUTS["mcp_server" in block], "tool", block, "output", text)
        case _:
            return None


def _data(kind: str, role: str, block: Block, field: str, value: str) -> Json:
    data = {"call_id": block.get("id"), "name": block.get("name"), field: value}
    content = {"object": "content", "type": "data", "index": 0, "delta": False, "data": data}
    return {"type": kind, "role": role, "content": [content]}


def _message(message: Json, position: int, part: Json) -> Json:
    identifier = message.get("id") or "unknown"
    content = [{**item, "status": "completed", "msg_id": f"msg_{identifier}_{position}"} for item in part["content"]]
    return {
        "object": "message",
        "status": "completed",
        "error": None,
        "id": f"msg_{identifier}_{position}",
        "code": None,
        "message": None,
        "usage": None,
        "metadata": {
            "original_id": message.get("id"),
            "original_name": message.get("name"),
            "metadata": message.get("metadata"),
            "timestamp": message.get("timestamp"),
        },
        **part,
        "content": content,
    }
