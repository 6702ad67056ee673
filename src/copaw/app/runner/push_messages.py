"""Short notices for whoever looks at the console."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from copaw.ports import Json

RECENT_S = 60.0
MAX_KEPT = 500


@dataclass(frozen=True, slots=True)
class _Notice:
    session_id: str
    text: str
    sticky: bool
    at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def wire(self) -> Json:
        return {"id": self.id, "text": self.text, "sticky": self.sticky}


class PushMessages:
    """Notices by session: a session's are consumed by whoever reads them; all recent ones can be looked at.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notices: deque[_Notice] = deque(maxlen=MAX_KEPT)

    def add(self, session_id: str, text: str, *, sticky: bool = False) -> None:
        """Leave a notice for a session."""
        self._notices.append(_Notice(session_id, text, sticky, self._clock()))

    def consume(self, session_id: str) -> list[Json]:
        """The notices of a session; they are gone afterwards."""
        mine = [notice for notice in self._notices if notice.session_id == session_id]
        for notice in mine:
            self._notices.remove(notice)
        return [notice.wire() for notice in mine]

    def recent(self) -> list[Json]:
        """The notices of the last 60 seconds, of all sessions; they stay."""
        horizon = self._clock() - RECENT_S
        return [notice.wire() for notice in self._notices if notice.at >= horizon]
