"""``send_file_to_user``: hand a file over to the client."""

from __future__ import annotations

import mimetypes
import threading

from pydantic import Field

from copaw.ports import Block, ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread
from copaw.tools.locate import existing_file, printable

_SHOWN_KINDS = ("image", "audio", "video")


class SendArguments(Arguments):
    file_path: str = Field(min_length=1, description="The file. Relative paths start at the workspace.")


async def run(context: ToolContext, arguments: SendArguments) -> ToolResult:
    """A block that the client shows or offers for download, and a text block for the model."""

    def work(stop: threading.Event) -> ToolResult:
        path = existing_file(context, arguments.file_path)
        name = printable(path.name)
        kind = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
        block: Block = {
            "type": kind if kind in _SHOWN_KINDS else "file",
            "source": {"type": "url", "url": path.as_uri()},
        }
        if block["type"] == "file":
            block["filename"] = name
        sent = {"type": "text", "text": f"{name} ({path.stat().st_size} bytes) was sent to the user."}
        return ToolResult([block, sent])

    return await in_thread(work)


TOOL = define(
    "send_file_to_user",
    "Send a file to the user: images, audio and video are shown, anything else is offered for download.",
    SendArguments,
    run,
    icon="📤",
)
