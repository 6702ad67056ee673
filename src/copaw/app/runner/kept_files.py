"""What has left a conversation and is kept all the same: messages for good, whole tool results for some days.

A file of messages has the format of a session file, so whatever reads sessions reads it, and a copy of it in
``sessions/`` under the session's name brings the conversation back. All file work here is blocking; callers use
threads.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from copaw.aiokits.files import write_atomic
from copaw.app.runner.session import Entry, SessionFiles, encode
from copaw.paths import WorkspacePaths
from copaw.ports import Json

logger = logging.getLogger(__name__)

_RESULT_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.txt")
MAX_SHOWN_BYTES = 16 * 1024**2
DAY_S = 24 * 3600.0
SWEEP_INTERVAL_S = 3600.0


class KeptFiles:
    """The files of one agent that keep what is no longer in its sessions.

    :param retention_days: for how many days whole tool results are kept.
    """

    def __init__(self, files: WorkspacePaths, retention_days: int = 5) -> None:
        self._files = files
        self._retention_s = retention_days * DAY_S
        self._swept_at = float("-inf")

    def keep_messages(self, session: Path, content: Sequence[Entry], summary: str, why: str) -> str:
        """Keep messages of a session file, with the summary of those before them.

        :param why: ``new``, ``clear`` or ``compact``; part of the name.
        :returns: the file, relative to the workspace directory.
        :raises OSError: it cannot be written.
        """
        memory: Json = {"content": [list(entry) for entry in content], "_compressed_summary": summary}
        path = self._of(session) / f"{_stamp()}-{why}.json"
        write_atomic(path, encode({"agent": {"memory": memory}}))
        return self._relative(path)

    def compacted(self, session: Path) -> list[Entry]:
        """The messages that compactions took out of a session since it began anew, oldest first.

        At most the newest :data:`MAX_SHOWN_BYTES` of files. One that is damaged is left out.
        """
        found: list[list[Entry]] = []
        size = 0
        for path in sorted(self._of(session).glob("*.json"), reverse=True):
            size += path.stat().st_size
            if not path.stem.endswith("-compact") or size > MAX_SHOWN_BYTES:
                break
            found.append(SessionFiles(path.parent).peek(path).content)
        return [entry for content in reversed(found) for entry in content]

    def _of(self, session: Path) -> Path:
        return self._files.dialog_dir / session.stem

    def keep_result(self, text: str) -> str:
        """Keep a tool's whole result; returns the file, relative to the workspace directory.

        :raises OSError: it cannot be written.
        """
        path = self._files.tool_results_dir / f"{_stamp()}-{secrets.token_hex(4)}.txt"
        write_atomic(path, text)
        return self._relative(path)

    def sweep(self) -> None:
        """Delete tool results whose days are over, at most once an hour."""
        now = time.monotonic()
        if now - self._swept_at < SWEEP_INTERVAL_S:
            return
        self._swept_at = now
        horizon = time.time() - self._retention_s
        try:
            for path in self._files.tool_results_dir.iterdir():
                if _RESULT_NAME.fullmatch(path.name) and path.stat().st_mtime < horizon:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # nothing was ever kept, or somebody else deleted it first
        except OSError as error:
            logger.warning("old tool results could not be deleted: %s", error)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._files.root).as_posix()


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
