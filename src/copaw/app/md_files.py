"""The Markdown files of one directory, as people edit them. Blocking: on an event loop use ``asyncio.to_thread``."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from copaw.aiokits.files import write_atomic
from copaw.errors import BadInput, Conflict, NotFound

_SUFFIX = ".md"
_MAX_NAME_BYTES = 200
_PLAIN = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*")


class MdFileInfo(BaseModel):
    """One file; times are ISO 8601 in local time, the size is in bytes."""

    filename: str
    path: str
    size: int
    created_time: str
    modified_time: str


class MdFiles:
    """Lists, reads and writes the ``*.md`` files directly in ``directory``, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def list(self) -> list[MdFileInfo]:
        """Every file, by name."""
        try:
            found = sorted(self._directory.iterdir())
        except FileNotFoundError:
            return []
        return [_info(path) for path in found if path.suffix.lower() == _SUFFIX and path.is_file()]

    def read(self, name: str) -> str:
        """The text of a file.

        :raises BadInput: ``name`` is no plain file name.
        :raises NotFound: there is no such file.
        :raises Conflict: it is not UTF-8 text; shown with replacements it would be spoiled by the next write.
        """
        path = self._path(name)
        try:
            return path.read_bytes().decode("utf-8-sig")
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound(f"There is no file '{path.name}'.") from None
        except UnicodeDecodeError as error:
            raise Conflict(f"{path} is not UTF-8 text (byte {error.start}); convert it first.") from error

    def write(self, name: str, content: str) -> None:
        """Replace a file as a whole, or make it.

        :raises BadInput: ``name`` is no plain file name, or a directory's.
        :raises OSError: the old file is still there.
        """
        path = self._path(name)
        if path.is_dir():
            raise BadInput(f"md_name: '{path.name}' is a directory.", field="md_name")
        write_atomic(path, content)

    def _path(self, name: str) -> Path:
        plain = plain_name(name, field="md_name")
        return self._directory / (plain if plain.lower().endswith(_SUFFIX) else plain + _SUFFIX)


def plain_name(name: str, *, field: str) -> str:
    """``name``, if it names a file in a directory and nothing else.

    :raises BadInput: it is empty or too long, begins with a dot, or has path separators; ``field`` says where.
    """
    if not _PLAIN.fullmatch(name) or len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        shown = name if len(name) <= _MAX_NAME_BYTES else name[:40] + "..."
        raise BadInput(
            f"{field}: {shown!r} is no plain file name. Use a name such as AGENTS.md, without path separators "
            f"and not beginning with a dot, of at most {_MAX_NAME_BYTES} bytes.",
            field=field,
        )
    return name


def _info(path: Path) -> MdFileInfo:
    stat = path.stat()
    return MdFileInfo(
        filename=path.name,
        path=os.fspath(path),
        size=stat.st_size,
        created_time=_local(stat.st_ctime),
        modified_time=_local(stat.st_mtime),
    )


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat()
