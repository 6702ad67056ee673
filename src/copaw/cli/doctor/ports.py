"""The port that the next server takes: free, or who has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.listen import CannotListen, bind

CHECK = "port"
_LISTEN = "0A"
_LOOPBACK = "127.0.0.1"


def check_port(subject: Subject) -> Iterator[Finding]:
    """The port of the last server, else 8088."""
    parts = urlsplit(subject.address)
    host, port = parts.hostname or _LOOPBACK, parts.port or 8088
    if subject.client is not None:
        yield Finding(CHECK, Level.OK, f"A copaw server listens on {subject.address}{_named(listener(port))}.")
        return
    try:
        bind(host, port).close()
    except CannotListen as error:
        what = f"Port {port} cannot be taken{_named(listener(port))}: {error.message}"
        yield Finding(CHECK, Level.WARN, what, "copaw app --port 0")
        return
    yield Finding(CHECK, Level.OK, f"Port {port} of {host} is free.")


def _named(owner: str) -> str:
    return f" ({owner})" if owner else ""


def listener(port: int, proc: Path = Path("/proc")) -> str:
    """The process that listens on a port, as ``name, process id``; empty where the system does not tell."""
    inodes = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _inodes(proc / "net" / name, port)}
    for process in proc.iterdir() if inodes and proc.is_dir() else ():
        if process.name.isdigit() and inodes & set(_open_files(process / "fd")):
            return f"{_text(process / 'comm').strip()}, process {process.name}"
    return ""


def _inodes(table: Path, port: int) -> Iterator[str]:
    for line in _text(table).splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _open_files(directory: Path) -> Iterator[str]:
    # Another user's process cannot be looked into, and what is open changes meanwhile.
    with suppress(OSError):
        for link in directory.iterdir():
            with suppress(OSError):
                yield str(link.readlink())


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
