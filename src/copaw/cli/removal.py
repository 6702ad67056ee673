"""Removing directories of copaw: what is there is listed first, and a symbolic link is never followed.

A link below the directory is removed as a link; what it points to stays.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from copaw.cli.output import count, size_text
from copaw.errors import BadInput, CopawError


class NotRemoved(CopawError):
    """Something could not be removed."""

    code = "NOT_REMOVED"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to remove, with all that is in it.

    :param note: for people; empty for none.
    """

    path: Path
    note: str = ""


def items_of(directory: Path, *, keep: Iterable[Path] = ()) -> list[Item]:
    """What is in a directory, sorted, without ``keep``; nothing if there is no such directory."""
    kept = set(keep)
    try:
        return [Item(path) for path in sorted(directory.iterdir()) if path not in kept]
    except FileNotFoundError:
        return []


def check_ours(directory: Path, marks: Sequence[str], variable: str) -> None:
    """Refuse a directory that holds more than copaw's own files.

    :param marks: names of which copaw makes at least one.
    :param variable: names the environment variable that chose the directory.
    :raises BadInput: it is none of copaw's, or something precious is in it.
    """
    real = directory.resolve()
    for precious in {Path.home().resolve(), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}:
        # An installer of 1.0.2 put the program into venv/, which is told apart from the data.
        if precious.is_relative_to(real) and precious != real / "venv":
            raise BadInput(f"{directory} is not removed because {precious} is in it; see {variable}.")
    if directory.is_dir() and any(directory.iterdir()) and not any((directory / mark).exists() for mark in marks):
        raise BadInput(
            f"{directory} is not removed because it does not look like copaw's: it has none of {', '.join(marks)}; "
            f"see {variable}."
        )


def show(items: Sequence[Item]) -> None:
    """Print each with its size."""
    width = max((len(str(item.path)) for item in items), default=0)
    for item in items:
        note = f"  {item.note}" if item.note else ""
        click.echo(f"  {item.path!s:<{width}}  {_extent(item.path)}{note}")


def remove(items: Iterable[Item]) -> None:
    """Remove them, those that can be.

    :raises NotRemoved: for the others, with the reason of the first.
    """
    failed: list[OSError] = []
    for item in items:
        try:
            if item.path.is_dir() and not item.path.is_symlink():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        except OSError as error:
            failed.append(error)
    if failed:
        first = failed[0]
        raise NotRemoved(f"{len(failed)} could not be removed; the first: {first.filename}: {first.strerror}.")


def _extent(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}, which stays"
    if not path.is_dir():
        return size_text(path.lstat().st_size)
    files, size = _measure(path)
    return f"{count(files, 'file')}, {size_text(size)}"


def _measure(directory: Path) -> tuple[int, int]:
    files = size = 0
    for root, _, names in os.walk(directory):
        for name in names:
            files += 1
            # What a running program takes away meanwhile needs no size.
            try:
                size += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return files, size
