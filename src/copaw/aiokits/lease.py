"""Reference counting that can say who holds on, since when, and why it was made to let go.

A :class:`LeaseSet` guards one thing that must stay open while it is used. Whoever uses it holds a
:class:`Lease`; when the last one is released, :meth:`LeaseSet.wait_empty` returns. Everything here is a plain
``def`` except the waiting: between looking a thing up and leasing it there must be no ``await``, because
whatever happens in such a gap happens to a thing that nobody holds yet.

Ending is a request, not an act: :meth:`Lease.end` stores the reason, once, and calls the holder's ``on_end``.
The holder unwinds and releases. A holder that never does is told through ``on_abandon`` and is released for it.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

NO_LABELS: Mapping[str, str] = MappingProxyType({})
_ids = itertools.count(1)


class Gate(enum.Enum):
    """Who may still acquire: everybody, children of live leases (work under way ends what it began), nobody."""

    OPEN = "open"
    CHILDREN = "children"
    SHUT = "shut"


class LeaseRefused(RuntimeError):
    """The thing is no longer given out."""


class Lease:
    """One named hold on a set. Release it exactly once."""

    __slots__ = (
        "_set", "end_reason", "id", "key", "kind", "labels", "on_abandon", "on_end", "parent",
        "progress_at", "released", "since",
    )  # fmt: skip

    def __init__(self, owner: LeaseSet, kind: str, key: str, labels: Mapping[str, str], parent: Lease | None) -> None:
        self._set = owner
        self.id = next(_ids)
        self.kind = kind
        self.key = key
        self.labels = labels
        self.parent = parent
        self.since = self.progress_at = owner.clock()
        self.end_reason: str | None = None
        self.on_end: Callable[[str], None] | None = None
        self.on_abandon: Callable[[], None] | None = None
        self.released = False

    def touch(self) -> None:
        """Note progress, so that the holder does not look stalled."""
        self.progress_at = self._set.clock()

    def end(self, reason: str) -> bool:
        """Ask the holder to stop because of ``reason``. The first reason stays; later calls return ``False``."""
        if self.end_reason is not None or self.released:
            return False
        self.end_reason = reason
        if self.on_end is not None:
            self.on_end(reason)
        return True

    def bind(self, on_end: Callable[[str], None], on_abandon: Callable[[], None] | None = None) -> None:
        """Say how the holder is stopped. If it was already asked to end, it is told at once."""
        self.on_end, self.on_abandon = on_end, on_abandon
        if self.end_reason is not None:
            on_end(self.end_reason)

    def release(self) -> None:
        """Let go. Harmless when repeated, but counted as a bug in :attr:`LeaseSet.double_releases`."""
        if self.released:
            self._set.double_releases += 1
            return
        self.released = True
        self.on_end = self.on_abandon = None
        self._set._remove(self)


class LeaseStatistics(NamedTuple):
    """Counts since the set was made. ``acquired == released + live`` always holds."""

    acquired: int
    released: int
    live: int
    double_releases: int
    abandoned: int


class LeaseSet:
    """The leases on one thing.

    :param clock: monotonic seconds, for ``since`` and ``progress_at``.
    """

    __slots__ = ("_empty", "_live", "abandoned", "acquired", "clock", "double_releases", "gate")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.gate = Gate.OPEN
        self.acquired = self.double_releases = self.abandoned = 0
        self._live: dict[int, Lease] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def acquire(
        self, kind: str, key: str = "", labels: Mapping[str, str] = NO_LABELS, parent: Lease | None = None
    ) -> Lease:
        """Add a lease.

        :raises LeaseRefused: the gate is shut, or admits only children of live leases of this set.
        """
        if self.gate is not Gate.OPEN and (self.gate is Gate.SHUT or parent is None or parent.id not in self._live):
            raise LeaseRefused(f"gate {self.gate.value}: no further lease, except for children of live ones")
        lease = Lease(self, kind, key, labels, parent)
        if not self._live:
            self._empty.clear()
        self._live[lease.id] = lease
        self.acquired += 1
        return lease

    def _remove(self, lease: Lease) -> None:
        del self._live[lease.id]
        if not self._live:
            self._empty.set()

    def abandon(self, lease: Lease) -> None:
        """Release a lease whose holder would not, after telling it through ``on_abandon``."""
        if lease.released:
            return
        self.abandoned += 1
        if lease.on_abandon is not None:
            lease.on_abandon()
        if not lease.released:
            lease.release()

    async def wait_empty(self) -> None:
        """Return as soon as no lease is live."""
        await self._empty.wait()

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, lease: Lease) -> bool:
        """Whether this lease is one of the set and live."""
        return lease.id in self._live

    def __iter__(self) -> Iterator[Lease]:
        return iter(tuple(self._live.values()))

    def statistics(self) -> LeaseStatistics:
        """A snapshot of the counts."""
        live = len(self._live)
        return LeaseStatistics(self.acquired, self.acquired - live, live, self.double_releases, self.abandoned)
