"""The steps by which a file is replaced as a whole: written beside its target, flushed, put in its place.

As few calls of the system as can be: each gives the interpreter's lock away, and a busy server is slow to return it.
All of this is blocking.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from copaw.ids import new_token

_DEFAULT_MODE = 0o644


class Replacement:
    """New content on its way to ``path``. Parent directories are made; a symbolic link is followed.

    After :meth:`flush`, :meth:`place` it, or :meth:`discard` it at any time.

    :param mode: the exact permission bits. ``None`` keeps those of an existing file and gives a new one
        0644 less the umask.
    :raises OSError: it could not be written; no temporary file is left.
    """

    def __init__(self, path: Path, content: bytes, mode: int | None = None) -> None:
        self.target, found = path, _lstat(path)
        if found is not None and stat.S_ISLNK(found.st_mode):
            self.target = path.resolve()
            found = _lstat(self.target)
        if mode is None and found is not None:
            mode = stat.S_IMODE(found.st_mode)
        # Not made from the name of the target, which may already be as long as a name can be.
        self._temporary = self.target.with_name(f".{new_token()}.tmp")
        self._handle: int | None = _create(self._temporary, _DEFAULT_MODE if mode is None else mode)
        try:
            if mode is not None:
                os.fchmod(self._handle, mode)  # the umask may have taken some of it
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except BaseException:
            self.discard()
            raise

    def flush(self) -> None:
        """Bring the content to the disk. :raises OSError: it did not get there."""
        assert self._handle is not None
        os.fsync(self._handle)
        self._close()

    def place(self) -> None:
        """Put it in the place of the target. :raises OSError: it could not be; the target is as it was."""
        self._temporary.replace(self.target)

    def discard(self) -> None:
        """Leave nothing behind. It may be called while another error is on its way, which is the one to tell."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def replace_all(files: Sequence[tuple[Path, Callable[[], bytes]]]) -> list[Exception | None]:
    """Replace many files, each as a whole; what was renamed in one directory is brought to the disk together.

    :param files: what to write where; the content is asked for when it is written.
    :returns: for each what went wrong with it, which does not concern the others.
    """
    errors: list[Exception | None] = [None] * len(files)
    under_way: dict[int, Replacement] = {}

    def each(step: Callable[[int], None], numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                step(number)
            except Exception as error:  # noqa: BLE001 - told to who asked for this file
                errors[number] = error
                if number in under_way:
                    under_way.pop(number).discard()

    def begin(number: int) -> None:
        path, content = files[number]
        under_way[number] = Replacement(path, content())

    each(begin, range(len(files)))
    # The first of them takes most of the rest along.
    each(lambda number: under_way[number].flush(), list(under_way))
    each(lambda number: under_way[number].place(), list(under_way))
    for directory in {replacement.target.parent for replacement in under_way.values()}:
        sync_directory(directory)
    return errors


def sync_directory(directory: Path) -> None:
    """Make renames in a directory survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _create(path: Path, mode: int) -> int:
    # Never wider than wanted, not even for a moment: the umask only takes away.
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, mode)
