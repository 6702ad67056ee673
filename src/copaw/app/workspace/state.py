"""The states of a workspace and the one place that changes them."""

from __future__ import annotations

from enum import StrEnum

from copaw.errors import LifecycleBug


class WorkspaceState(StrEnum):
    """Where a generation of an agent stands."""

    BUILDING = "building"
    READY = "ready"
    SERVING = "serving"
    DRAINING = "draining"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
    SUPERSEDED = "superseded"


_S = WorkspaceState
LEGAL_EDGES: dict[WorkspaceState, frozenset[WorkspaceState]] = {
    _S.BUILDING: frozenset({_S.READY, _S.FAILED, _S.SUPERSEDED}),
    _S.READY: frozenset({_S.SERVING, _S.FAILED, _S.SUPERSEDED}),
    _S.SERVING: frozenset({_S.DRAINING}),
    # Back to serving only for a rollback.
    _S.DRAINING: frozenset({_S.CLOSING, _S.SERVING}),
    _S.CLOSING: frozenset({_S.CLOSED}),
    _S.CLOSED: frozenset(),
    _S.FAILED: frozenset(),
    _S.SUPERSEDED: frozenset(),
}
FINAL = frozenset({_S.CLOSED, _S.FAILED, _S.SUPERSEDED})


def checked(who: str, old: WorkspaceState, new: WorkspaceState) -> WorkspaceState:
    """Return ``new`` if a workspace may go there from ``old``.

    :raises LifecycleBug: the edge is not legal.
    """
    if new not in LEGAL_EDGES[old]:
        legal = ", ".join(sorted(LEGAL_EDGES[old])) or "nothing: it is final"
        raise LifecycleBug(f"{who} cannot go from {old} to {new}; from {old} it can go to {legal}.")
    return new
