"""``read_file``: a text file, or some lines of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import Field, model_validator

from copaw.errors import BadInput
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread
from copaw.tools.locate import existing_file

LIMIT_BYTES = 64 * 1024
_SNIFFED_BYTES = 8192
_BOM = b"\xef\xbb\xbf"


class ReadArguments(Arguments):
    file_path: str = Field(min_length=1, description="The file. Relative paths start at the workspace.")
    start_line: int | None = Field(None, ge=1, description="First line to read, counted from 1.")
    end_line: int | None = Field(None, ge=1, description="Last line to read, included.")

    @model_validator(mode="after")
    def _in_order(self) -> ReadArguments:
        if self.start_line and self.end_line and self.end_line < self.start_line:
            raise ValueError(f"end_line ({self.end_line}) must not be before start_line ({self.start_line})")
        return self


class Excerpt(NamedTuple):
    """Lines of a file.

    :param last_line: number of the last line in ``data``; below the first when there are none.
    :param cut_line: ``last_line`` is too long and only its beginning is in ``data``.
    :param more: lines that were asked for follow.
    """

    data: bytes
    last_line: int
    cut_line: bool
    more: bool


async def run(context: ToolContext, arguments: ReadArguments) -> ToolResult:
    """Read at most :data:`LIMIT_BYTES`; a notice says how to read on."""

    def work(stop: threading.Event) -> str:
        return _read(existing_file(context, arguments.file_path), arguments, stop)

    return ToolResult.text(await in_thread(work))


def _read(path: Path, arguments: ReadArguments, stop: threading.Event) -> str:
    first = arguments.start_line or 1
    with path.open("rb") as file:
        if b"\0" in file.read(_SNIFFED_BYTES):
            raise BadInput(f"{path} is a binary file, not text. `view_image` shows images.")
        file.seek(0)
        skipped = _skip_lines(file, first - 1, stop)
        if skipped < first - 1 or (first > 1 and not _has_more(file)):
            raise BadInput(f"start_line: {path} has only {skipped} lines.", field="start_line")
        excerpt = take_lines(file, first, arguments.end_line, LIMIT_BYTES)
    if not excerpt.data:
        return "[The file is empty.]"
    text = excerpt.data.removeprefix(_BOM).decode("utf-8", "replace").replace("\r\n", "\n")
    return text + _notice(excerpt, first)


def take_lines(file: BinaryIO, first: int, last: int | None, limit_bytes: int) -> Excerpt:
    """Whole lines up to ``last`` that fit into the limit; of the very first line as much as fits."""
    data = bytearray()
    number = first - 1
    while last is None or number < last:
        line = file.readline(limit_bytes - len(data) + 1)
        if not line:
            return Excerpt(bytes(data), number, cut_line=False, more=False)
        if len(data) + len(line) > limit_bytes:
            if data:
                return Excerpt(bytes(data), number, cut_line=False, more=True)
            return Excerpt(line[:limit_bytes], first, cut_line=True, more=True)
        data += line
        number += 1
    return Excerpt(bytes(data), number, cut_line=False, more=False)


def _skip_lines(file: BinaryIO, count: int, stop: threading.Event) -> int:
    skipped = 0
    while skipped < count and not stop.is_set():
        piece = file.readline(LIMIT_BYTES)
        if not piece:
            break
        skipped += piece.endswith(b"\n") or not _has_more(file)
    return skipped


def _has_more(file: BinaryIO) -> bool:
    if file.read(1):
        file.seek(-1, 1)
        return True
    return False


def _notice(excerpt: Excerpt, first: int) -> str:
    if excerpt.cut_line:
        return (
            f"\n[Line {first} is too long: only its first {len(excerpt.data)} bytes are shown. "
            f"Go on with start_line={first + 1}, or cut the line up with a shell command.]"
        )
    if excerpt.more:
        return f"\n[Lines {first} to {excerpt.last_line} are shown. Read on with start_line={excerpt.last_line + 1}.]"
    return ""


TOOL = define(
    "read_file",
    "Read a text file, whole or from start_line to end_line. Long files come in parts; a notice at the end says "
    "which line to go on with.",
    ReadArguments,
    run,
    icon="📄",
)
