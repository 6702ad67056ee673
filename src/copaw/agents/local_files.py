"""Files of this machine that a message may refer to: those in the agent's workspace and among uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PREVIEW = "/files/preview/"
_MAX_ADDRESS_CHARS = 16 * 1024


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Where files of messages may lie.

    :param roots: directories; a relative name is looked for in their ``media`` and in themselves.
    :param forbidden: directories below them that hold secrets.
    """

    roots: tuple[Path, ...]
    forbidden: tuple[Path, ...] = ()

    def find(self, address: str) -> Path | None:
        """The file of an address: a path, a ``file:`` address, or that of a preview. Blocking.

        :returns: ``None`` if it is the address of something elsewhere, or there is no such file here.
        """
        if len(address) > _MAX_ADDRESS_CHARS:
            return None
        for candidate in self._candidates(address):
            try:
                found = candidate.resolve()
                if found.is_file() and self._allowed(found):
                    return found
            except (OSError, ValueError):
                continue
        return None

    def _allowed(self, path: Path) -> bool:
        if path.name.startswith("agent.json") or any(path.is_relative_to(root.resolve()) for root in self.forbidden):
            return False
        return any(path.is_relative_to(root.resolve()) for root in self.roots)

    def _candidates(self, address: str) -> Iterator[Path]:
        name = _path_of(address)
        if not name:
            return
        if not name.startswith("/"):
            for root in self.roots:
                yield root / "media" / name
                yield root / name
        yield Path("/") / name


def is_remote(address: str) -> bool:
    """Whether a model provider could fetch it."""
    return address.startswith(("http://", "https://"))


def _path_of(address: str) -> str:
    if _PREVIEW in address:
        return unquote(urlsplit(address).path.partition(_PREVIEW)[2])
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return "" if is_remote(address) or address.startswith("data:") else address
