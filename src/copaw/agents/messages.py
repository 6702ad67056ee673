"""Messages of the wire protocol and of session files as messages of the agent."""

from __future__ import annotations

from datetime import datetime

from agentscope.message import Msg

from copaw.ids import new_token
from copaw.ports import Block, Json

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "tool": "system"}


class StoredMsg(Msg):  # type: ignore[misc]
    """A message as a session file has it. A plain ``Msg`` first makes an id of its own, which costs most of loading.

    :param form: checked when it was read; see :mod:`copaw.app.runner.session`.
    """

    def __init__(self, form: Json) -> None:
        self.name = form["name"]
        self.content = form["content"]
        self.role = form["role"]
        self.metadata = form.get("metadata") or {}
        self.timestamp = form.get("timestamp")
        self.invocation_id = form.get("invocation_id")
        self.id = form.get("id") or new_token()


def new_msg(name: str, content: str | list[Block], role: str) -> Msg:
    """A message that is made now."""
    # Milliseconds, as agentscope writes them.
    timestamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return StoredMsg({"name": name, "content": content, "role": role, "timestamp": timestamp})


def to_msgs(messages: list[Json]) -> list[Msg]:
    """Convert validated protocol messages; one that carries nothing is left out."""
    converted = []
    for message in messages:
        blocks = [block for item in message.get("content") or [] for block in to_blocks(item)]
        if blocks:
            role = _ROLES[message.get("role") or "user"]
            converted.append(new_msg(role, blocks, role))
    return converted


def to_blocks(item: Json) -> list[Block]:
    """One content item as blocks of a message."""
    match item:
        case {"type": "text", "text": str(text)} if text:
            return [{"type": "text", "text": text}]
        case {"type": "refusal", "refusal": str(text)} if text:
            return [{"type": "text", "text": text}]
        case {"type": "image", "image_url": str(url)} if url:
            return [{"type": "image", "source": _source(url)}]
        case {"type": "video", "video_url": str(url)} if url:
            return [{"type": "video", "source": _source(url)}]
        case {"type": "audio", "data": str(url)} if url:
            return [{"type": "audio", "source": _source(url)}]
        case {"type": "file"}:
            where = str(item.get("file_url") or item.get("file_id") or "")
            return [{"type": "file", "source": {"type": "url", "url": where}, "filename": item.get("filename")}]
        case {"type": "data", "data": dict(data)}:
            return [{"type": "text", "text": str(data)}]
        case _:
            return []


def _source(url: str) -> Json:
    if url.startswith("data:") and ";base64," in url:
        head, data = url.split(";base64,", 1)
        return {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}
    return {"type": "url", "url": url}
