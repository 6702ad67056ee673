"""``write_file``: make a file or replace its whole content."""

from __future__ import annotations

import threading

from pydantic import Field

from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread, replace_file
from copaw.tools.locate import resolve, shown


class WriteArguments(Arguments):
    file_path: str = Field(min_length=1, description="The file. Relative paths start at the workspace.")
    content: str = Field(description="The whole new content, as text.")


async def run(context: ToolContext, arguments: WriteArguments) -> ToolResult:
    """Write the file whole or not at all; missing parent directories are made."""
    data = arguments.content.encode("utf-8")

    def work(stop: threading.Event) -> str:
        path = resolve(context, arguments.file_path)
        replace_file(path, data, stop)
        return shown(context, path)

    return ToolResult.text(f"Wrote {len(data)} bytes to {await in_thread(work)}.")


TOOL = define(
    "write_file",
    "Write a text file: makes it, with its directories, or replaces everything that is in it. To change a part of "
    "a file use edit_file.",
    WriteArguments,
    run,
    icon="✍️",
)
