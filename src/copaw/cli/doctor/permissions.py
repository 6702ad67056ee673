"""Secrets can be read by their owner alone."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from copaw.cli.doctor.finding import Finding, Level, Subject

CHECK = "permissions"
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_secrets(subject: Subject) -> Iterator[Finding]:
    """Directories of secrets are 0700 and files 0600, and they are this user's."""
    directory = subject.paths.secret_dir
    if not directory.is_dir():
        return
    every = [directory, *sorted(directory.rglob("*"))]
    open_ones = [path for path in every if not path.is_symlink() and path.stat().st_mode & _OF_OTHERS]
    if open_ones:
        what = f"{len(open_ones)} in {directory} can be used by others than their owner, such as {open_ones[0]}."
        mend = f"chmod -R go= {shlex.quote(str(directory))}"
        yield Finding(CHECK, Level.ERROR, what, mend, partial(_close, open_ones))
    foreign = [path for path in every if path.lstat().st_uid != os.geteuid()]
    if foreign:
        mend = f"sudo chown -R {os.geteuid()} {shlex.quote(str(directory))}"
        yield Finding(CHECK, Level.WARN, f"{len(foreign)} in {directory} belong to another user.", mend)
    if not open_ones and not foreign:
        yield Finding(CHECK, Level.OK, f"Only this user can read {directory}.")


def _close(paths: list[Path]) -> None:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OF_OTHERS)
