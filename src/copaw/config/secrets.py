"""Secrets in files that only their owner can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from copaw.aiokits.files import write_json_atomic
from copaw.config.json_object import read_object
from copaw.errors import BadInput
from copaw.ports import Json

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_SUFFIX = ".json"
_PART = re.compile(r"[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*")
_SHOWN_AT_EACH_END = 4


class SecretFiles:
    """JSON objects by name below one directory: ``providers/openai`` is ``<directory>/providers/openai.json``.

    All methods block; on an event loop use ``asyncio.to_thread``. Files have mode 0600 and directories 0700,
    which every write restores. A name with ``..``, a leading dot or an absolute path is :class:`BadInput`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> Json:
        """What was written, ``{}`` if nothing was.

        :raises ConfigFileError: the file cannot be read or holds no JSON object.
        """
        return read_object(self._path(name))

    def write(self, name: str, value: Json) -> None:
        """Replace the whole object. :raises OSError: the old file is still there."""
        path = self._path(name)
        self._make_private(path.parent)
        write_json_atomic(path, value, mode=_FILE_MODE)

    def delete(self, name: str) -> bool:
        """Remove a file; ``False`` if there was none."""
        path = self._path(name)
        existed = path.is_file()
        path.unlink(missing_ok=True)
        return existed

    def exists(self, name: str) -> bool:
        """Whether there is such a file, whatever is in it."""
        return os.path.lexists(self._path(name))

    def path(self, name: str) -> Path:
        """Where it is, for messages and for setting it aside."""
        return self._path(name)

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        found = (path.relative_to(self._directory) for path in self._directory.rglob("*" + _SUFFIX))
        return sorted(
            path.as_posix().removesuffix(_SUFFIX)
            for path in found
            if not any(part.startswith(".") for part in path.parts)
        )

    def _path(self, name: str) -> Path:
        if not all(_PART.fullmatch(part) for part in name.split("/")):
            raise BadInput(f"{name!r} is no name of a secret file: use plain names, separated by /.", field="name")
        path = self._directory / f"{name}{_SUFFIX}"
        if not path.resolve().is_relative_to(self._directory.resolve()):
            raise BadInput(f"{name!r} leads out of the directory of secrets.", field="name")
        return path

    def _make_private(self, directory: Path) -> None:
        # Parents that are missing, too: `parents=True` would leave them open to everybody.
        for part in reversed([directory, *directory.parents]):
            part.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        below = directory.relative_to(self._directory)
        for part in (self._directory, *(self._directory / parent for parent in (below, *below.parents))):
            part.chmod(_DIRECTORY_MODE)


def mask(secret: str) -> str:
    """``secret`` for display: a few characters at each end, together never more than a third of it."""
    ends = min(_SHOWN_AT_EACH_END, len(secret) // 6)
    hidden = "*" * min(len(secret) - 2 * ends, 12)
    return f"{secret[:ends]}{hidden}{secret[len(secret) - ends :]}" if ends else hidden
