"""When something is due, as seconds since the epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Trigger(Protocol):
    """A series of due times."""

    @property
    def fingerprint(self) -> str:
        """Equal for triggers with the same due times."""

    def next_after(self, after: float, anchor: float) -> float | None:
        """The first due time later than ``after``; ``None`` if there is none.

        :param anchor: a due time, or where the series began; only intervals depend on it.
        """


@dataclass(frozen=True, slots=True)
class Interval:
    """Due every ``every_s`` seconds."""

    every_s: float

    @property
    def fingerprint(self) -> str:
        return f"every {self.every_s:g} s"

    def next_after(self, after: float, anchor: float) -> float | None:
        return anchor + max(math.floor((after - anchor) / self.every_s) + 1, 1) * self.every_s
