"""``view_image``: let the model look at an image file."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from copaw.errors import BadInput
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread
from copaw.tools.locate import existing_file, shown

LIMIT_BYTES = 10 * 1024 * 1024


class ViewArguments(Arguments):
    image_path: str = Field(min_length=1, description="The image file. Relative paths start at the workspace.")


class _Image(NamedTuple):
    name: str
    media_type: str
    data: bytes


async def run(context: ToolContext, arguments: ViewArguments) -> ToolResult:
    """A text block that names the image, and the image."""

    def work(stop: threading.Event) -> ToolResult:
        path = existing_file(context, arguments.image_path)
        image = _load(path, shown(context, path))
        encoded = base64.b64encode(image.data).decode("ascii")
        source = {"type": "base64", "media_type": image.media_type, "data": encoded}
        text = f"{image.name} ({image.media_type}, {len(image.data)} bytes):"
        return ToolResult([{"type": "text", "text": text}, {"type": "image", "source": source}])

    return await in_thread(work)


def _load(path: Path, name: str) -> _Image:
    with path.open("rb") as file:
        data = file.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise BadInput(f"{name} is larger than {LIMIT_BYTES // (1024 * 1024)} MiB. Make a smaller copy first.")
    media_type = image_type(data)
    if media_type is None:
        raise BadInput(f"{name} is not a PNG, JPEG, GIF or WebP image, whatever its name says.")
    return _Image(name, media_type, data)


def image_type(data: bytes) -> str | None:
    """Media type by the first bytes; None when it is none of the four that models read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


TOOL = define(
    "view_image",
    "Look at an image file (PNG, JPEG, GIF or WebP, up to 10 MiB).",
    ViewArguments,
    run,
    icon="🖼️",
)
