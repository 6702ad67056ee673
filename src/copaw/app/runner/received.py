"""What a request brings along: content that is inside it becomes a file of the workspace, sound becomes text.

A session then holds a path instead of megabytes, and the agent's tools can open the file.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import mimetypes
import re
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePath

from copaw.agents.local_files import LocalFiles
from copaw.aiokits.files import write_atomic
from copaw.errors import BadInput, CopawError
from copaw.ports import Json

logger = logging.getLogger(__name__)

MAX_CONTENT_BYTES = 10 * 1024 * 1024
_FIELDS = {"image": "image_url", "video": "video_url", "audio": "data", "file": "file_url"}
_MAX_NAME_BYTES = 120
_LEAST_RAW_CHARS = 100
_RAW = re.compile(r"[A-Za-z0-9+/]+={0,2}")
"""Sound may be base64 without anything around it; a path is shorter, or has a dot."""


Hear = Callable[[Path], Awaitable[str | None]]
"""What is said in a sound file; ``None`` if nothing is to be transcribed. Raises ``CopawError`` with the reason."""


async def _deaf(_path: Path) -> str | None:
    return None


class Receiver:
    """Prepares the messages of requests to one agent.

    :param media_dir: where content is kept.
    """

    def __init__(self, media_dir: Path, files: LocalFiles, hear: Hear = _deaf) -> None:
        self._media_dir = media_dir
        self._files = files
        self._hear = hear

    async def __call__(self, messages: list[Json]) -> list[Json]:
        """The messages with local paths for what they bring along, and with what was heard.

        :raises BadInput: the content of an item is no base64, or too large; the field is named.
        """
        if not any(item["type"] in _FIELDS for message in messages for item in message.get("content") or ()):
            return messages
        return [await self._message(number, message) for number, message in enumerate(messages)]

    async def _message(self, number: int, message: Json) -> Json:
        content: list[Json] = []
        for place, item in enumerate(message.get("content") or ()):
            if item["type"] not in _FIELDS:
                content.append(item)
                continue
            kept = await asyncio.to_thread(self._kept, item, f"input.{number}.content.{place}")
            content += [kept, *await self._heard(kept)]
        return {**message, "content": content}

    def _kept(self, item: Json, field: str) -> Json:
        name = _FIELDS[item["type"]]
        address = item.get(name) or item.get("file_data") or ""
        if not isinstance(address, str):
            raise BadInput(f"{field}.{name}: must be a text.", field=f"{field}.{name}")
        found = self._files.find(address)
        if found is not None:
            return {**item, name: str(found)}
        content = _content(item, address, f"{field}.{name}")
        if content is None:
            return item
        media_type, data = content
        path = self._media_dir / f"{uuid.uuid4().hex}_{_name(item, media_type)}"
        write_atomic(path, data)
        return {**{key: value for key, value in item.items() if key != "file_data"}, name: str(path)}

    async def _heard(self, item: Json) -> list[Json]:
        address = item.get("data") if item["type"] == "audio" else None
        path = await asyncio.to_thread(self._files.find, address) if address else None
        if path is None:
            return []
        try:
            said = await self._hear(path)
        except CopawError as error:
            logger.warning("%s was not transcribed: %s", path.name, error.message)
            return [_text(f"[The recording could not be transcribed: {error.message}]")]
        return [_text(said)] if said else []


def _content(item: Json, address: str, field: str) -> tuple[str, bytes] | None:
    """Media type and content of what is given inside the item; ``None`` if it is elsewhere."""
    if address.startswith("data:"):
        head, _, encoded = address.removeprefix("data:").partition(",")
        media_type, _, coding = head.partition(";")
        if coding.rpartition(";")[2] != "base64":
            raise BadInput(f"{field}: a data: address has to be in base64.", field=field)
    elif item["type"] == "audio" and len(address) >= _LEAST_RAW_CHARS and _RAW.fullmatch(address):
        media_type, encoded = f"audio/{str(item.get('format') or 'wav').removeprefix('audio/')}", address
    elif item.get("file_data") == address and address:
        media_type, encoded = "", address
    else:
        return None
    if len(encoded) > MAX_CONTENT_BYTES * 4 // 3 + 4:
        raise BadInput(f"{field}: larger than {MAX_CONTENT_BYTES // 1024**2} MiB. Upload the file.", field=field)
    try:
        return media_type, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"{field}: this is no base64 ({error}).", field=field) from error


def _name(item: Json, media_type: str) -> str:
    given = item.get("filename")
    if isinstance(given, str) and given:
        return safe_name(given)
    kind = media_type.partition("/")[2]
    known = mimetypes.guess_extension(media_type) or (f".{kind}" if kind.isalnum() else "")
    return safe_name(f"{item['type']}{known}")


def safe_name(name: str) -> str:
    """The last part of a path, of a length that a file's name may have, in characters that any may have."""
    last = PurePath(name.replace("\\", "/")).name
    plain = "".join(sign if sign.isprintable() else "_" for sign in last.encode(errors="replace").decode())
    stem, suffix = PurePath(plain).stem, PurePath(plain).suffix
    if len(plain.encode()) <= _MAX_NAME_BYTES:
        return plain or "file"
    if len(suffix.encode()) > _MAX_NAME_BYTES // 4:
        stem, suffix = plain, ""
    room = _MAX_NAME_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
