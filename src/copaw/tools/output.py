"""Bounded capture of a byte stream: its head and its tail are kept, the middle is counted."""

from __future__ import annotations

import codecs

_UTF8_MAX_CONTINUATION = 3


class HeadTail:
    """Takes any number of bytes, keeps at most ``limit_bytes`` of them (up to twice the tail while it grows)."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_room = limit_bytes // 2
        self._tail_room = limit_bytes - self._head_room
        self._head = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total_bytes += len(data)
        room = self._head_room - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._tail_room:
            self._trim()

    def text(self) -> str:
        """What was kept, as UTF-8 with replacement characters; a notice says how many bytes are left out."""
        self._trim()
        if self.total_bytes == len(self._head) + len(self._tail):
            return (self._head + self._tail).decode("utf-8", "replace")
        # A character cut in two is left out as a whole, and counted as such.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(bytes(self._head))
        cut_at_head = len(decoder.getstate()[0])
        tail = self._tail[_leading_continuation(self._tail) :]
        left_out = self.total_bytes - (len(self._head) - cut_at_head) - len(tail)
        return f"{head}\n[... {left_out} bytes left out ...]\n{tail.decode('utf-8', 'replace')}"

    def _trim(self) -> None:
        surplus = len(self._tail) - self._tail_room
        if surplus > 0:
            del self._tail[:surplus]


def _leading_continuation(data: bytearray) -> int:
    count = 0
    while count < min(len(data), _UTF8_MAX_CONTINUATION) and 0x80 <= data[count] <= 0xBF:
        count += 1
    return count
