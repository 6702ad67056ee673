"""From a server's stdout to JSON-RPC messages, whatever else it prints."""

from __future__ import annotations

from collections.abc import Iterator

MIB = 1024 * 1024
MAX_MESSAGE_BYTES = 256 * MIB
MAX_GARBAGE_BYTES = 4 * MIB
_SHOWN_CHARS = 120


class GarbageError(Exception):
    """What comes is no JSON-RPC."""


class Lines:
    """Cuts a byte stream into lines, in time linear in its length.

    :param limit_bytes: of one line.
    """

    def __init__(self, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit_bytes
        self._begun: list[bytes] = []
        self._begun_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that are complete now. :raises GarbageError: a line has no end."""
        *complete, rest = chunk.split(b"\n")
        for end in complete:
            line = b"".join([*self._begun, end])
            self._begun, self._begun_bytes = [], 0
            yield line
        if rest:
            self._begun.append(rest)
            self._begun_bytes += len(rest)
            if self._begun_bytes > self._limit:
                raise GarbageError(f"The server sent a line of more than {self._limit // MIB} MiB.")


class Garbage:
    """Counts what is no message. A little is ignored, as servers print greetings; a flood is an error."""

    def __init__(self, limit_bytes: int = MAX_GARBAGE_BYTES) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self.lines = 0
        self.first = ""

    def add(self, line: bytes) -> None:
        """:raises GarbageError: it is too much."""
        if not line.strip():
            return
        self.lines += 1
        self._bytes += len(line) + 1
        self.first = self.first or line[:_SHOWN_CHARS].decode("utf-8", "replace")
        if self._bytes > self._limit:
            raise GarbageError(self.sentence)

    @property
    def sentence(self) -> str:
        """What to tell about it; empty if there is nothing to tell."""
        if not self.lines:
            return ""
        return f"The server printed {self.lines} lines that are no JSON-RPC, first: {self.first!r}."
