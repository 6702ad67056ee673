"""The lifecycle of an agent as people and programs see it."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime

from copaw.aiokits.lease import Lease
from copaw.app.agent_slot import AgentSlot
from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.workspace import Workspace
from copaw.ports import Json


def lifecycle(slot: AgentSlot) -> Json:
    """One agent: its generations with their leases, its last reload, its settings. Times are ISO 8601 UTC."""
    current = slot.current
    profile = current.snapshot.profile if current is not None else None
    return {
        "agent_id": slot.agent_id,
        "state": slot.state,
        "generation": current.generation if current is not None else None,
        "generations": [_generation(workspace) for workspace in slot.generations()],
        "last_reload": reload_outcome(slot.revisions.last) if slot.revisions.last is not None else None,
        "reload_pending": slot.revisions.pending,
        "settings": {
            "reload_grace_seconds": profile.running.reload_grace_seconds if profile else None,
            "max_draining": profile.running.max_draining if profile else None,
        },
    }


def never_started(agent_id: str, state: str) -> Json:
    """An agent that has no slot, because nobody started it."""
    return {
        "agent_id": agent_id,
        "state": state,
        "generation": None,
        "generations": [],
        "last_reload": None,
        "reload_pending": False,
        "settings": {"reload_grace_seconds": None, "max_draining": None},
    }


def reload_outcome(report: ReloadOutcome) -> Json:
    """A reload's outcome."""
    times = {"requested_at": _iso(report.requested_at), "finished_at": _iso(report.finished_at)}
    return {**asdict(report), **times, "duration_seconds": round(report.duration_seconds, 4)}


def _generation(workspace: Workspace) -> Json:
    return {
        "generation": workspace.generation,
        "state": workspace.state,
        "config_digest": workspace.snapshot.digest,
        "created_at": _iso(workspace.created_at),
        "serving_since": _iso(workspace.serving_since),
        "retired_at": _iso(workspace.retired_at),
        "drain_deadline": _iso(workspace.drain_deadline),
        "leases": [lease_view(lease) for lease in workspace.leases],
    }


def lease_view(lease: Lease) -> Json:
    """Who holds a workspace open."""
    now = time.monotonic()
    age_s = now - lease.since
    return {
        "id": lease.id,
        "kind": lease.kind,
        "key": lease.key,
        **{name: lease.labels.get(name) or None for name in ("session_id", "user_id", "channel", "task_id")},
        "since": _iso(time.time() - age_s),
        "age_seconds": round(age_s, 3),
        "idle_seconds": round(now - lease.progress_at, 3),
        "end_reason": lease.end_reason,
    }


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
