"""Telling of work that holds a draining generation open and does not move."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from copaw.aiokits.lease import Lease

logger = logging.getLogger(__name__)

STALL_S = 60.0
"""Seconds without progress after which a lease is reported; each further report waits twice as long."""


class StallReport:
    """Reports a lease without progress once, then at doubled intervals.

    :param who: the workspace, for the log.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._limits_s: dict[int, float] = {}

    def next_in(self, leases: Iterable[Lease], now: float) -> float | None:
        """Seconds until the next report is due; ``None`` if there is nobody to report on."""
        due = [lease.progress_at + self._limits_s.get(lease.id, STALL_S) - now for lease in leases]
        return max(min(due), 0.0) if due else None

    def report(self, leases: Iterable[Lease], now: float) -> None:
        """Log every lease whose time has come."""
        for lease in leases:
            limit_s = self._limits_s.get(lease.id, STALL_S)
            idle_s = now - lease.progress_at
            if idle_s >= limit_s:
                self._limits_s[lease.id] = max(limit_s, idle_s) * 2
                logger.warning(
                    "workspace %s drains and waits for %s %r (session %s), which has made no progress for %.0f s",
                    self._who, lease.kind, lease.key, lease.labels.get("session_id") or "-", idle_s,
                )  # fmt: skip
