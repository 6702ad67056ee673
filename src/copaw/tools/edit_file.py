"""``edit_file``: replace a piece of text in a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from copaw.errors import BadInput
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.files import in_thread, replace_file, sole_editor
from copaw.tools.locate import existing_file, shown

LIMIT_BYTES = 32 * 1024 * 1024
_LISTED_LINES = 10
_COUNTED = 1000


class EditArguments(Arguments):
    file_path: str = Field(min_length=1, description="The file. Relative paths start at the workspace.")
    old_text: str = Field(
        min_length=1, description="The text to replace, exactly as in the file, indentation included."
    )
    new_text: str = Field(description="The text to put there.")
    replace_all: bool = Field(False, description="Replace every occurrence; otherwise there must be exactly one.")


class Edit(NamedTuple):
    """A text after an edit, and how many pieces of it were replaced."""

    text: str
    replaced: int


async def run(context: ToolContext, arguments: EditArguments) -> ToolResult:
    """Edit atomically. Line endings, mode and bytes that are not UTF-8 stay as they are."""

    def work(stop: threading.Event) -> str:
        path = existing_file(context, arguments.file_path)
        with sole_editor(path):
            edit = replace_text(_load(path), arguments.old_text, arguments.new_text, replace_all=arguments.replace_all)
            replace_file(path, edit.text.encode("utf-8", "surrogateescape"), stop)
        times = "once" if edit.replaced == 1 else f"{edit.replaced} times"
        return f"Replaced the text {times} in {shown(context, path)}."

    return ToolResult.text(await in_thread(work))


def replace_text(text: str, old: str, new: str, *, replace_all: bool = False) -> Edit:
    """Replace the one occurrence of ``old``, or all of them.

    In a file with CRLF line endings, LF in ``old`` and ``new`` stands for CRLF.

    :raises BadInput: there is none, there are several, or nothing would change.
    """
    if old == new:
        raise BadInput("new_text: is the same as old_text, so nothing would change.", field="new_text")
    old, new = _with_endings_of(text, old, new)
    count = text.count(old)
    if not count:
        raise BadInput(f"old_text: does not occur in the file.{_hint(text, old)}", field="old_text")
    if not replace_all:
        _require_one(text, old)
    return Edit(text.replace(old, new), count)


def _require_one(text: str, old: str) -> None:
    starts = list(islice(_occurrences(text, old), _COUNTED + 1))
    if len(starts) == 1:
        return
    times = f"{len(starts)}" if len(starts) <= _COUNTED else f"more than {_COUNTED}"
    raise BadInput(
        f"old_text: occurs {times} times, on {_lines(text, starts)}. "
        "Add lines around it until it is unique, or set replace_all.",
        field="old_text",
    )


def _load(path: Path) -> str:
    size = path.stat().st_size
    if size > LIMIT_BYTES:
        raise BadInput(f"{path} is too large to edit ({size} bytes, the limit is {LIMIT_BYTES}). Use a shell command.")
    data = path.read_bytes()
    if b"\0" in data:
        raise BadInput(f"{path} is a binary file, not text.")
    return data.decode("utf-8", "surrogateescape")


def _with_endings_of(text: str, old: str, new: str) -> tuple[str, str]:
    crlf = text.count("\r\n")
    mixed = crlf != text.count("\n")
    if not crlf or (mixed and old in text):
        return old, new
    return _crlf(old), _crlf(new)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _occurrences(text: str, piece: str) -> Iterator[int]:
    """Starts of all occurrences, overlapping ones too: which of those is meant is not clear either."""
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)


def _lines(text: str, starts: list[int]) -> str:
    numbers = list(dict.fromkeys(text.count("\n", 0, at) + 1 for at in starts[:_LISTED_LINES]))
    more = " and more" if len(starts) > _LISTED_LINES else ""
    return ("line " if len(numbers) == 1 else "lines ") + ", ".join(map(str, numbers)) + more


def _hint(text: str, old: str) -> str:
    wanted = next((line.split() for line in old.splitlines() if line.strip()), None)
    if wanted is None:
        return ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.split() == wanted:
            return f" Line {number} is like its first line but for white space or what follows: read it again there."
    return " Read the file again and copy the text exactly."


TOOL = define(
    "edit_file",
    "Replace a piece of text in a file. old_text must occur exactly once, so take enough lines around the place, "
    "or set replace_all. Nothing is changed when it does not fit.",
    EditArguments,
    run,
    icon="🖊️",
)
