"""What a model is shown of the files that users send.

The conversation keeps what was sent. Before each model call, images of the workspace become their content, sound is
given or named as the settings say, and a file that is gone, or is none of the agent's, is named as such: it must not
make the whole conversation unusable. What the model's protocol cannot carry is its formatter's business.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agentscope.message import Msg

from copaw.agents.local_files import LocalFiles, is_remote
from copaw.ports import Block, Json
from copaw.tools.view_image import image_type

MAX_SHOWN_BYTES = 10 * 1024 * 1024
"""A larger file is only named."""

_KINDS = ("image", "audio", "video", "file")
_SOUND = {".wav": "audio/wav", ".mp3": "audio/mp3"}


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """
    :param files: which files may be shown.
    :param native_audio: whether the model is given sound as it is, now.
    """

    files: LocalFiles
    native_audio: Callable[[], bool] = lambda: False


class MediaView:
    """Turns a conversation into what is shown of it."""

    def __init__(self, settings: MediaSettings) -> None:
        self._files = settings.files
        self._native_audio = settings.native_audio

    async def of(self, messages: list[Msg]) -> list[Msg]:
        """The messages to show; the very same where there is nothing but text and tools."""
        if not any(_has_media(message) for message in messages):
            return messages
        return await asyncio.to_thread(lambda: [self._shown(message) for message in messages])

    def _shown(self, message: Msg) -> Msg:
        if not _has_media(message):
            return message
        copy = Msg(message.name, [self._seen(block) for block in message.content], message.role)
        copy.id = message.id
        return copy

    def _seen(self, block: Block) -> Block:
        kind, source = str(block["type"]), block.get("source") or {}
        if kind not in _KINDS:
            return block
        if source.get("type") == "base64":
            return block if kind != "audio" or self._native_audio() else _text("[Audio that is not given to the model]")
        address = str(source.get("url") or "")
        path = self._files.find(address)
        if path is not None:
            return self._local(block, kind, path)
        if is_remote(address):
            return _named(block, address) if kind == "audio" else block
        return _text(f"[{kind.capitalize()} {address or 'without an address'}: there is no such file any more.]")

    def _local(self, block: Block, kind: str, path: Path) -> Block:
        if kind in ("video", "file"):
            return {**block, "source": {"type": "url", "url": str(path)}}
        sound = _SOUND.get(path.suffix.lower()) if self._native_audio() else None
        if kind == "audio" and sound is None:
            return _named(block, str(path))
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SHOWN_BYTES + 1)
        except OSError:
            return _named(block, str(path))
        media_type = image_type(data) if kind == "image" else sound
        if media_type is None or len(data) > MAX_SHOWN_BYTES:
            return _named(block, str(path))
        encoded = base64.b64encode(data).decode("ascii")
        return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": encoded}}


def _has_media(message: Msg) -> bool:
    return isinstance(message.content, list) and any(block["type"] in _KINDS for block in message.content)


def _named(block: Json, where: str) -> Block:
    return _text(f"[{str(block['type']).capitalize()}: {where}]")


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
