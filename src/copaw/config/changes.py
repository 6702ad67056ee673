"""Telling others that the configuration changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal["root", "agent", "added", "removed", "enabled"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One accepted change, already in force when it is told.

    :param kind: ``root``: config.json changed; ``agent``: the agent.json of ``agent_id`` changed; ``added``,
        ``removed``: the agent came or went; ``enabled``: it was switched on or off.
    :param agent_id: empty for ``root``.
    :param revision: that of the agent, or of config.json for ``root``.
    """

    kind: ChangeKind
    agent_id: str
    revision: int


class Subscribers:
    """Who wants to know. Callbacks are plain functions and run in the order of subscription."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[ConfigChange], None]] = {}

    def add(self, callback: Callable[[ConfigChange], None]) -> Callable[[], None]:
        """Subscribe, and return what ends the subscription (harmless when repeated)."""
        key = object()
        self._callbacks[key] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(key, None)

        return unsubscribe

    def tell(self, changes: Iterable[ConfigChange]) -> None:
        for change in changes:
            for callback in list(self._callbacks.values()):
                try:
                    callback(change)
                except Exception:  # noqa: BLE001 - the change is on disk and in force; the others must hear of it
                    _log.exception("a subscriber failed on %s", change)
