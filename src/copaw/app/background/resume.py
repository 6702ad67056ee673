"""Going on in a session whose server died in the middle of a turn.

A model that sees its own tool call without a result would make it again, and most providers refuse such a
conversation. So a call whose outcome nobody knows is closed with a result that says exactly that.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from copaw.app.background.live import OpenCall
from copaw.ports import Block, Json

Entry = tuple[Json, list[str]]
"""A message of a session and its marks."""

UNKNOWN_OUTCOME = (
    "[The server was interrupted while this tool call was under way. Whether it took effect is not known; "
    "it was not repeated.]"
)
CONTINUE = (
    "[The server was interrupted while you worked on the last request and runs again. Go on where you left off. "
    "Do not repeat what is already done; where the outcome of a tool call is not known, check before you do it again.]"
)


def close_open_calls(content: Sequence[Entry], calls: Iterable[OpenCall]) -> list[Entry]:
    """The content with a result behind every tool call that has none.

    :param calls: calls that are known from the run's events; those that the session does not hold are added.
    """
    open_uses = _open_uses(content)
    known = {_what(block["id"], block.get("name"), block.get("input")) for block in _blocks(content, "tool_use")}
    closed: list[Entry] = []
    for position, (message, marks) in enumerate(content):
        closed.append((message, marks))
        closed += [_result(block["id"], block.get("name", "")) for block in open_uses.get(position, ())]
    for call in calls:
        if _what(call.call_id, call.name, call.arguments) not in known:
            closed += [_use(call), _result(call.call_id, call.name)]
    return closed


def _open_uses(content: Sequence[Entry]) -> dict[int, list[Block]]:
    """The calls without a result, by the position of their message.

    Some servers give the same ids in every answer: a result is that of the last call before it.
    """
    called: dict[str, int] = {}
    uses: dict[int, list[Block]] = {}
    for position, (message, _) in enumerate(content):
        for block in _of(message):
            if block.get("type") == "tool_use":
                uses.setdefault(position, []).append(block)
                called[block["id"]] = position
            elif block.get("type") == "tool_result" and block["id"] in called:
                of = called.pop(block["id"])
                uses[of] = [use for use in uses[of] if use["id"] != block["id"]]
    return uses


def _what(call_id: str, name: object, arguments: object) -> str:
    """A call as a whole, because its id alone may come again."""
    return json.dumps([call_id, name, arguments], sort_keys=True)


def holds_request(content: Sequence[Entry], text: str) -> bool:
    """Whether the last thing that a user said in the session is ``text``."""
    users = [message for message, _ in content if message.get("role") == "user"]
    return bool(users) and _text(users[-1]) == text


def continuation() -> list[Json]:
    """The input of a turn that goes on with the last one."""
    return [{"role": "user", "type": "message", "content": [{"type": "text", "text": CONTINUE}]}]


def _of(message: Json) -> list[Block]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _blocks(content: Sequence[Entry], kind: str) -> list[Block]:
    return [block for message, _ in content for block in _of(message) if block.get("type") == kind]


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text") or "") for block in _of(message) if block.get("type") == "text")


def _use(call: OpenCall) -> Entry:
    raw = json.dumps(call.arguments, ensure_ascii=False)
    block = {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.arguments, "raw_input": raw}
    return _message("assistant", "assistant", block)


def _result(call_id: str, name: str) -> Entry:
    output = [{"type": "text", "text": UNKNOWN_OUTCOME}]
    return _message("system", "system", {"type": "tool_result", "id": call_id, "name": name, "output": output})


def _message(name: str, role: str, block: Block) -> Entry:
    now = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    return {
        "id": uuid.uuid4().hex,
        "name": name,
        "role": role,
        "content": [block],
        "metadata": {},
        "timestamp": now,
    }, []
