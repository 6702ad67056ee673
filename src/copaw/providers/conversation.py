"""A conversation as every wire protocol can take it: well formed, with media at hand.

Sessions hold what happened, and that is not always what providers accept: a call whose result was lost, a result
whose call is gone, empty texts, media that the model cannot see, files that have been deleted. Here each of these
becomes something that every provider takes.
"""

from __future__ import annotations

import asyncio
import base64
import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from agentscope.message import Msg

from copaw.ports import Block, Json

MEDIA = ("image", "audio", "video")
_SAID = ("text", "thinking", "tool_use", "tool_result", *MEDIA)
MAX_MEDIA_BYTES = 20 * 1024 * 1024
_NO_RESULT = "[The result of this call was lost.]"

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Senses:
    """What a model takes beside text."""

    image: bool = True
    audio: bool = True
    video: bool = True


@dataclass(slots=True)
class Turn:
    """One message.

    ``assistant``: blocks ``thinking``, ``text`` and ``tool_use``. ``tool``: blocks ``tool_result`` with ``id``,
    ``name``, ``text`` and ``media``, one for each call of the turn before, in the order of the calls. ``user`` and
    ``system``: ``text`` and media. Media have ``media_type`` and base64 ``data``, or ``url``.
    """

    role: Role
    blocks: list[Block] = field(default_factory=list)

    def texts(self) -> str:
        """The texts, one below the other."""
        return "\n".join(block["text"] for block in self.blocks if block["type"] == "text")


async def conversation(msgs: Iterable[Msg], senses: Senses) -> list[Turn]:
    """The turns of ``msgs``. Files they name are read in a thread; nothing is fetched from the network."""
    turns = _with_results(_turns(msgs))
    for turn in turns:
        turn.blocks = [await _prepared(block, senses) for block in turn.blocks]
    return turns


def _turns(msgs: Iterable[Msg]) -> list[Turn]:
    turns: list[Turn] = []
    for msg in msgs:
        for role in ("tool", msg.role):
            blocks = [_told(block, role) for block in msg.get_content_blocks() if _is_for(role, block)]
            if blocks:
                turns.append(Turn(role, blocks))
    return turns


def _is_for(role: Role, block: Block) -> bool:
    known = block["type"] in _SAID or (block["type"] == "file" and role == "user")
    if not known or (block["type"] == "text" and not block["text"]):
        return False  # of what is not known here, no provider knows either
    is_result: bool = block["type"] == "tool_result"
    return is_result == (role == "tool")


def _told(block: Block, role: Role) -> Block:
    """A file that the user sent is told of: no provider takes one."""
    if block["type"] != "file" or role != "user":
        return block
    where = (block.get("source") or {}).get("url") or "sent along"
    return {"type": "text", "text": f"[File {block.get('filename') or 'without a name'}: {where}]"}


def _with_results(turns: list[Turn]) -> list[Turn]:
    """Give each call its result, and leave out results without a call."""
    results = _results(turns)
    answered: list[Turn] = []
    for position, turn in enumerate(turns):
        if turn.role == "tool":
            continue
        answered.append(turn)
        calls = [block for block in turn.blocks if block["type"] == "tool_use"]
        if calls:
            lost = {"type": "tool_result", "output": _NO_RESULT}
            blocks = [
                {**lost, **results.get((position, call["id"]), {}), "id": call["id"], "name": call["name"]}
                for call in calls
            ]
            answered.append(Turn("tool", blocks))
    return answered


def _results(turns: list[Turn]) -> dict[tuple[int, str], Block]:
    """Results by the position of the turn that called for them and the call's id.

    Some servers give the same ids in every answer: a result is that of the last call before it.
    """
    results: dict[tuple[int, str], Block] = {}
    called: dict[str, int] = {}
    for position, turn in enumerate(turns):
        for block in turn.blocks:
            if block["type"] == "tool_use":
                called[block["id"]] = position
            elif block["type"] == "tool_result" and block["id"] in called:
                results[called[block["id"]], block["id"]] = block
    return results


async def _prepared(block: Block, senses: Senses) -> Block:
    if block["type"] == "tool_result":
        return await _result(block, senses)
    if block["type"] in MEDIA:
        return await _media(block, senses)
    return block


async def _result(block: Block, senses: Senses) -> Block:
    output = block["output"] or ""
    if isinstance(output, str):
        output = [{"type": "text", "text": output}]
    texts = [part["text"] for part in output if part["type"] == "text"]
    # What is named by its address was sent to the user; what is inline, the model asked to see.
    inline = [part for part in output if (part.get("source") or {}).get("type") == "base64" and part["type"] in MEDIA]
    media: list[Block] = []
    for shown in [await _media(part, senses) for part in inline]:
        if shown["type"] == "text":
            texts.append(shown["text"])
        else:
            media.append(shown)
    return {"type": "tool_result", "id": block["id"], "name": block["name"], "text": "\n".join(texts), "media": media}


async def _media(block: Block, senses: Senses) -> Block:
    kind, source = block["type"], block["source"]
    able = {"image": senses.image, "audio": senses.audio, "video": senses.video}[kind]
    url = source.get("url") or ""
    if not able:
        return _note(kind, url, "this model cannot take it")
    if source["type"] == "base64":
        return {"type": kind, "media_type": source["media_type"], "data": source["data"]}
    if url.startswith("data:") and ";base64," in url:
        head, data = url.split(";base64,", 1)
        return {"type": kind, "media_type": head.removeprefix("data:"), "data": data}
    if url.startswith(("http://", "https://")):
        return {"type": kind, "media_type": _media_type(kind, urlsplit(url).path), "url": url}
    path = Path(unquote(urlsplit(url).path) if url.startswith("file:") else url)
    return await asyncio.to_thread(_read, kind, path)


def _read(kind: str, path: Path) -> Block:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MEDIA_BYTES + 1)
    except (OSError, ValueError):
        return _note(kind, str(path), "the file cannot be read")
    if len(data) > MAX_MEDIA_BYTES:
        return _note(kind, str(path), f"the file is larger than {MAX_MEDIA_BYTES // 2**20} MiB")
    media_type = _media_type(kind, path.name)
    if not media_type.startswith(f"{kind}/"):
        return _note(kind, str(path), f"the file does not look like one of type {kind}")
    return {"type": kind, "media_type": media_type, "data": base64.b64encode(data).decode()}


def _media_type(kind: str, name: str) -> str:
    fallback = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}[kind]
    return mimetypes.guess_type(name)[0] or fallback


def _note(kind: str, where: str, why: str) -> Json:
    return {"type": "text", "text": f"[{kind} {where or 'without a name'}: not shown, {why}]"}
