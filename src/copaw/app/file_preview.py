"""Files that a page may show: those in the agents' workspaces and among uploads, and no others.

What an agent wrote is shown on the origin that also has the API, so nothing in it may run as a script there.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from copaw.errors import Forbidden, NotFound
from copaw.paths import Paths

_HARMLESS = ("application/pdf", "text/plain")
_HARMLESS_KINDS = ("audio", "image", "video")
_NO_SCRIPTS = "sandbox; default-src 'none'; img-src data: 'self'; media-src data: 'self'; style-src 'unsafe-inline'"
_WITH_SECRETS = "agent.json"


@dataclass(frozen=True, slots=True)
class Preview:
    """A file that may be shown.

    :param name: its name, in a form that can be sent.
    """

    path: Path
    name: str
    media_type: str

    @property
    def headers(self) -> dict[str, str]:
        """What keeps its content from running as a script."""
        headers = {"X-Content-Type-Options": "nosniff"}
        kind = self.media_type.partition("/")[0]
        if self.media_type in _HARMLESS or (kind in _HARMLESS_KINDS and "xml" not in self.media_type):
            return headers
        return {**headers, "Content-Security-Policy": _NO_SCRIPTS}


def find_preview(paths: Paths, workspaces: Iterable[Path], name: str) -> Preview:
    """The file of a name: an absolute path, also without its first slash, or one below a workspace or its uploads.

    Blocking.

    :raises Forbidden: it is somewhere else, or holds secrets.
    :raises NotFound: there is no such file.
    """
    roots = [paths.media_dir, *workspaces]
    forbidden = False
    for candidate in _candidates(roots, name):
        try:
            found = candidate.resolve()
            allowed = _may_show(paths, roots, found)
            if allowed and found.is_file() and os.access(found, os.R_OK):
                return _preview(found)
            # Whether there is anything outside is nobody's business.
            forbidden = forbidden or not allowed
        except (OSError, ValueError):
            continue
    if forbidden and name.strip("/"):
        raise Forbidden("Only files in the workspaces of agents and uploads are shown, without their configuration.")
    raise NotFound("There is no such file in the workspaces of agents and uploads.")


def _candidates(roots: Iterable[Path], name: str) -> Iterator[Path]:
    if name.startswith("/"):
        yield Path(name)
        return
    for root in roots:
        yield root / "media" / name
        yield root / name
    if any((Path("/") / name).is_relative_to(root) for root in roots):
        yield Path("/") / name


def _may_show(paths: Paths, roots: Iterable[Path], found: Path) -> bool:
    if found.is_relative_to(paths.secret_dir.resolve()) or found == paths.config_file.resolve():
        return False
    return not found.name.startswith(_WITH_SECRETS) and any(found.is_relative_to(root.resolve()) for root in roots)


def _preview(path: Path) -> Preview:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media_type.startswith("text/") and media_type != "text/html":
        media_type = "text/plain"  # a script or a style sheet is there to be read
    return Preview(path, name, media_type)
