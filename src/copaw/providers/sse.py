"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as models use them."""

from __future__ import annotations

MAX_EVENT_BYTES = 32 * 1024 * 1024


class SseDecoder:
    """Cuts a stream of bytes into the data of its events, wherever the network has cut it.

    Names, ids and comments are left out. The work is linear in the bytes, also for one long event that comes in
    many parts.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._data: list[bytes] = []
        self._begun = False
        self.found = False
        """There was an event."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that ``chunk`` completes; several lines of data are joined by ``\\n``.

        :raises ValueError: one event is larger than :data:`MAX_EVENT_BYTES`.
        """
        if not self._begun:
            self._begun = True
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        self._size_bytes += len(chunk)
        if self._size_bytes > MAX_EVENT_BYTES:
            raise ValueError(f"one event of more than {MAX_EVENT_BYTES} bytes")
        if b"\n" not in chunk:
            self._parts.append(chunk)
            return []
        *lines, rest = b"".join([*self._parts, chunk]).split(b"\n")
        self._parts = [rest]
        return self._events(lines)

    def end(self) -> list[bytes]:
        """What is left when the stream has ended: providers forget the empty line after their last event."""
        lines = [b"".join(self._parts), b""]
        self._parts = []
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self.found = True
                self._data = []
                self._size_bytes = len(self._parts[0]) if self._parts else 0
        return events
