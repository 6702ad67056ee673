"""Files that are never half written. Blocking functions: on an event loop use ``asyncio.to_thread``.

A write goes to a temporary file in the same directory, is flushed to the disk and then renamed over the
target, so that a reader, a crash or a full disk sees the whole old file or the whole new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copaw.aiokits.replacement import Replacement, sync_directory
from copaw.ids import new_token


def write_atomic(path: Path, data: bytes | str, *, mode: int | None = None) -> None:
    """Replace the content of ``path`` as a whole. Parent directories are made; a symbolic link is followed.

    :param data: text is written as UTF-8; half a surrogate pair, which has no UTF-8 form, as a question mark.
    :param mode: the exact permission bits. ``None`` keeps those of an existing file and gives a new one
        0644 less the umask.
    :raises OSError: nothing was changed and no temporary file is left.
    """
    content = data.encode(errors="replace") if isinstance(data, str) else data
    replacement = Replacement(path, content, mode)
    try:
        replacement.flush()
        replacement.place()
    except BaseException:
        replacement.discard()
        raise
    sync_directory(replacement.target.parent)


def copy_atomic(source: Path, target: Path) -> None:
    """Put a copy of ``source``, with its permissions, in the place of ``target`` as a whole.

    :raises OSError: nothing was changed and no temporary file is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{new_token()}.tmp")
    try:
        shutil.copy(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def write_json_atomic(path: Path, obj: Any, *, mode: int | None = None) -> None:
    """Write ``obj`` as JSON, indented by 2, non-ASCII text as it is.

    :param mode: as for :func:`write_atomic`.
    :raises TypeError: ``obj`` holds something that JSON has no form for.
    :raises ValueError: it holds NaN or an infinity, or contains itself.
    :raises OSError: see :func:`write_atomic`.
    """
    write_atomic(path, encode_json(obj), mode=mode)


def encode_json(obj: Any) -> bytes:
    """The bytes that :func:`write_json_atomic` writes."""
    try:
        return json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Half an emoji (a lone surrogate) has no UTF-8 form, but JSON can hold it as an escape.
        return json.dumps(obj, indent=2, allow_nan=False).encode()


def read_json(path: Path) -> Any:
    """Parse a UTF-8 JSON file; a byte order mark is tolerated.

    :raises FileNotFoundError: there is no such file.
    :raises ValueError: it is empty, not UTF-8 or not JSON; the message says where.
    :raises OSError: it cannot be read.
    """
    return decode_json(path.read_bytes())


def decode_json(data: bytes, *, unique_keys: bool = True) -> Any:
    """Parse what :func:`read_json` reads.

    :param unique_keys: refuse an object that has a key twice, because writing it again would lose one of the values.
    :raises ValueError: with one sentence that says what is wrong and where.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}") from error
    if not text.strip():
        raise ValueError("the file is empty")
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique if unique_keys else None)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not usable JSON: nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"not usable JSON: {twice!r} is there twice in one object")
    return found


def set_aside(path: Path, suffix: str = "damaged") -> Path:
    """Rename ``path`` to ``<name>.<suffix>-<UTC timestamp>`` beside it, never over another file.

    :returns: the new path.
    :raises FileNotFoundError: there is nothing to set aside.
    :raises OSError: it cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return _move_to_free_name(path, f"{path.name}.{suffix}-{stamp}", "-")


def set_aside_as_backup(path: Path) -> Path:
    """Rename ``path`` to ``<name>.bak``, or ``.bak1``, ``.bak2``, ... when that exists; return the new path.

    :raises OSError: it cannot be renamed.
    """
    return _move_to_free_name(path, f"{path.name}.bak", "")


def _move_to_free_name(path: Path, wanted: str, separator: str) -> Path:
    candidate, number = path.with_name(wanted), 0
    while not _claim(candidate):
        number += 1
        candidate = path.with_name(f"{wanted}{separator}{number}")
    try:
        path.replace(candidate)
    except BaseException:
        candidate.unlink(missing_ok=True)
        raise
    return candidate


def _claim(path: Path) -> bool:
    """Make an empty file, so that two movers can never choose the same name."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"not JSON: {name} is not a JSON number")
