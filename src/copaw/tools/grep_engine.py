"""The search behind ``grep_search``, run as a bare child process: standard library only.

Python's ``re`` keeps the interpreter lock for as long as one match takes, and some patterns take for ever. In a
thread that would stop the whole server; a process can be killed.
"""

from __future__ import annotations

import json
import re
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from copaw.tools.walk import glob_regex, walk

BAD_PATTERN = 2
"""Exit code for a pattern that does not compile; stderr says why."""

LIMIT_MATCHES = 200
LIMIT_OUTPUT_CHARS = 48 * 1024
LIMIT_LINE_CHARS = 400
LIMIT_FILE_BYTES = 10 * 1024 * 1024
_SNIFFED_BYTES = 8192


class Request(NamedTuple):
    """What to search for.

    :param root: a directory or one file.
    :param prefix: what stands before a relative path in the output.
    :param include: glob for file names, or for paths when it contains a slash; empty for all.
    """

    root: str
    prefix: str
    pattern: str
    is_regex: bool
    case_sensitive: bool
    context_lines: int
    include: str
    time_limit_s: float


class Search:
    """One search; prints as it finds, so that something is there when it has to be killed."""

    def __init__(self, request: Request) -> None:
        self._request = request
        source = request.pattern if request.is_regex else re.escape(request.pattern)
        self._pattern = re.compile(source, 0 if request.case_sensitive else re.IGNORECASE)
        self._deadline = time.monotonic() + request.time_limit_s
        self._files = self._matches = self._chars = self._too_large = 0

    def run(self) -> None:
        for path, name in self._paths():
            self._one_file(path, name)
            if not self._go_on():
                break
        self._say(self._summary())

    def _go_on(self) -> bool:
        return self._matches < LIMIT_MATCHES and self._chars < LIMIT_OUTPUT_CHARS and not self._late()

    def _late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _paths(self) -> Iterator[tuple[str, str]]:
        root, prefix, include = self._request.root, self._request.prefix, self._request.include
        if not Path(root).is_dir():
            yield root, prefix
            return
        wanted = re.compile(glob_regex(include)) if include else None
        for path, is_dir in walk(root, go_on=lambda: not self._late()):
            subject = path if "/" in include else path.rpartition("/")[2]
            if not is_dir and (wanted is None or wanted.match(subject)):
                yield f"{root}/{path}", f"{prefix}/{path}" if prefix else path

    def _one_file(self, path: str, name: str) -> None:
        data = self._load(path)
        if data is None:
            return
        self._files += 1
        if self._surely_without(data):
            return
        lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        if lines[-1] == "":
            lines.pop()
        printed = -1  # number of the last line that is out
        for number in self._hits(lines):
            self._matches += 1
            printed = self._show(name, lines, number, printed)
            if not self._go_on():
                break
        sys.stdout.flush()

    def _load(self, path: str) -> bytes | None:
        file = Path(path)
        try:
            # Neither a pipe nor a device: reading one might never end.
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                return None
            if status.st_size > LIMIT_FILE_BYTES:
                self._too_large += 1
                return None
            with file.open("rb") as opened:
                data = opened.read(LIMIT_FILE_BYTES)
        except OSError:
            return None
        return None if b"\0" in data[:_SNIFFED_BYTES] else data

    def _surely_without(self, data: bytes) -> bool:
        plain = self._request.case_sensitive and not self._request.is_regex
        return plain and self._request.pattern.encode("utf-8", "replace") not in data

    def _hits(self, lines: list[str]) -> Iterator[int]:
        for number, line in enumerate(lines):
            if self._pattern.search(line):
                yield number
            if number % 256 == 0 and self._late():
                return

    def _show(self, name: str, lines: list[str], hit: int, printed: int) -> int:
        around = self._request.context_lines
        first = max(hit - around, printed + 1, 0)
        last = min(hit + around, len(lines) - 1)
        if around and self._matches > 1 and (printed < 0 or first > printed + 1):
            self._say("--")
        for number in range(first, last + 1):
            mark = ":" if self._pattern.search(lines[number]) else "-"
            self._say(f"{name}{mark}{number + 1}{mark}{_cut(lines[number])}")
        return last

    def _summary(self) -> str:
        found = f"{_count(self._matches, 'match', 'es')} in {_count(self._files, 'text file', 's')}"
        left_out = []
        if self._matches >= LIMIT_MATCHES or self._chars >= LIMIT_OUTPUT_CHARS:
            left_out.append("there may be more: use a narrower pattern, path or include_pattern")
        elif self._late():
            left_out.append(f"ended after {self._request.time_limit_s:g} s before everything was searched")
        if self._too_large:
            limit = LIMIT_FILE_BYTES // (1024 * 1024)
            left_out.append(f"{_count(self._too_large, 'file', 's')} over {limit} MiB left out")
        return f"[{'; '.join([found, *left_out])}]"

    def _say(self, text: str) -> None:
        self._chars += len(text) + 1
        sys.stdout.write(text + "\n")


def _cut(line: str) -> str:
    if len(line) <= LIMIT_LINE_CHARS:
        return line
    return f"{line[:LIMIT_LINE_CHARS]} [... {len(line) - LIMIT_LINE_CHARS} characters more]"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"


def main(argument: str) -> int:
    """Search as the JSON object of :class:`Request` says; the exit code is :data:`BAD_PATTERN` for a bad pattern."""
    fields: dict[str, Any] = json.loads(argument)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - lives as long as we
    try:
        search = Search(Request(**fields))
    except (re.error, OverflowError, RecursionError) as error:
        sys.stderr.write(str(error))
        return BAD_PATTERN
    search.run()
    sys.stdout.flush()
    return 0
