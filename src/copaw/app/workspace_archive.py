"""A workspace as a ZIP archive: packing one piece by piece, and unpacking one that a stranger may have made.

Blocking: on an event loop use threads.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from copaw.errors import BadInput, PayloadTooLarge

MIB = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_LOCK_SUFFIX = ".lock"
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LITTER = ("__MACOSX", ".DS_Store")
_MAX_PART_BYTES, _MAX_DEPTH = 255, 32
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LIST_ENTRY_BYTES = 512


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large an archive may be. :param max_bytes: of all files unpacked."""

    max_files: int = 20_000
    max_bytes: int = 2048 * MIB


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Member:
    """A file to pack. :param name: its path in the archive."""

    path: Path
    name: str
    size: int


def members(root: Path, excluded: Collection[Path] = (), bounds: Bounds = BOUNDS) -> list[Member]:
    """The files of a workspace, by name. Links, sockets, locks and half-written files are left out.

    :param excluded: directories and files that are left out too.
    :raises PayloadTooLarge: there are more or larger ones than ``bounds`` allows.
    """
    left_out = {path.resolve() for path in excluded}
    found: list[Member] = []
    waiting, total = [root.resolve()], 0
    while waiting:
        directory = waiting.pop()
        for entry in sorted(directory.iterdir()):
            mode = _mode(entry)
            if entry in left_out or mode is None or entry.name.endswith(_LOCK_SUFFIX):
                continue
            if stat.S_ISDIR(mode):
                waiting.append(entry)
            elif stat.S_ISREG(mode) and not _TEMPORARY.fullmatch(entry.name):
                size = entry.lstat().st_size
                total += size
                found.append(Member(entry, _sendable(entry.relative_to(root.resolve()).as_posix()), size))
            if len(found) > bounds.max_files or total > bounds.max_bytes:
                raise PayloadTooLarge(_too_large(f"The workspace {root}", bounds) + " Copy the directory instead.")
    return sorted(found, key=lambda member: member.name)


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _sendable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _too_large(what: str, bounds: Bounds) -> str:
    return f"{what} has more than {bounds.max_files} files or {bounds.max_bytes // MIB} MiB."


class _Pieces:
    """Takes what :mod:`zipfile` writes until it is fetched."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def fetch(self, least: int = 0) -> Iterator[bytes]:
        if self._size > least:
            yield b"".join(self._pieces)
            self._pieces, self._size = [], 0


def packed(files: Sequence[Member]) -> Iterator[bytes]:
    """The archive of these files, piece by piece. One that is gone or cannot be read by now is left out."""
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for member in files:
            try:
                source = member.path.open("rb")
            except OSError:
                continue
            with source, archive.open(_info(source, member.name), "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
                    yield from pieces.fetch(_CHUNK_BYTES)
    yield from pieces.fetch()


def _info(source: BinaryIO, name: str) -> zipfile.ZipInfo:
    found = os.fstat(source.fileno())
    info = zipfile.ZipInfo.from_file(source.name, name, strict_timestamps=False)
    info.external_attr = (found.st_mode & 0xFFFF) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class _Guarded:
    """An archive whose list of files cannot be made to fill the memory: :mod:`zipfile` reads it in one piece."""

    def __init__(self, file: BinaryIO, bounds: Bounds) -> None:
        self._file = file
        self._bounds = bounds
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > max(self._bounds.max_files * _LIST_ENTRY_BYTES, MIB):
            raise PayloadTooLarge(_too_large("file: the archive", self._bounds), field="file")
        return self._file.read(size)


def unpack(archive: BinaryIO, target: Path, bounds: Bounds = BOUNDS) -> list[str]:
    """Unpack an archive into an empty directory; the paths of its files below it.

    A single directory that holds a whole workspace is looked into.

    :raises BadInput: it is no archive, is damaged, or has a file that could lie elsewhere or is none.
    :raises PayloadTooLarge: it has more than ``bounds`` allows.
    """
    guarded = _Guarded(archive, bounds)
    try:
        with zipfile.ZipFile(guarded) as opened:
            chosen = _checked(opened, bounds)
            for name, info in chosen.items():
                _extract(opened, info, target / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadInput(f"file: this is no ZIP archive that can be read ({error}).", field="file") from error
    return list(chosen)


def _checked(opened: zipfile.ZipFile, bounds: Bounds) -> dict[str, zipfile.ZipInfo]:
    infos = [info for info in opened.infolist() if not info.is_dir()]
    if len(infos) > bounds.max_files or sum(info.file_size for info in infos) > bounds.max_bytes:
        raise PayloadTooLarge(_too_large("file: the archive", bounds), field="file")
    chosen: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _safe_name(info)
        if name in chosen:
            raise _refused(info, "is there twice")
        if not set(_LITTER) & set(PurePosixPath(name).parts):
            chosen[name] = info
    for name, info in chosen.items():
        if any(parent.as_posix() in chosen for parent in PurePosixPath(name).parents):
            raise _refused(info, "lies in a file")
    return _without_folder(chosen)


def _safe_name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename.replace("\\", "/").removeprefix("./")
    parts = name.split("/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or _DRIVE.match(name):
        raise _refused(info, "has an absolute path")
    if ".." in parts:
        raise _refused(info, "leads out of the workspace")
    if "" in parts or "." in parts or _CONTROL.search(name) or len(parts) > _MAX_DEPTH:
        raise _refused(info, "has a name that no file should have")
    if any(len(part.encode(errors="replace")) > _MAX_PART_BYTES for part in parts):
        raise _refused(info, "has a name that is too long")
    if kind not in (0, stat.S_IFREG):
        raise _refused(info, "is a link or a device, and no file")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise _refused(info, "is encrypted, or compressed in a way that this version cannot read")
    return name


def _refused(info: zipfile.ZipInfo, why: str) -> BadInput:
    return BadInput(f"file: {info.orig_filename[:200]!r} {why}; nothing was changed.", field="file")


def _without_folder(chosen: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files without the one directory they all lie in, if that is a workspace."""
    tops = {name.partition("/")[0] for name in chosen}
    top = next(iter(tops), "")
    if len(tops) != 1 or f"{top}/agent.json" not in chosen:
        return chosen
    return {name.removeprefix(f"{top}/"): info for name, info in chosen.items()}


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(info) as source, path.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)
        if (info.external_attr >> 16) & stat.S_IXUSR:
            path.chmod(0o755)
