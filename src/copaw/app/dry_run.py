"""What a reload would do, without doing it."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from copaw.app.agent_slot import AgentSlot
from copaw.app.generation import Generations
from copaw.app.lifecycle_view import lease_view
from copaw.app.patching import patched
from copaw.app.reloads.outcome import Outcome
from copaw.config.merge import same_json
from copaw.config.models import AgentProfileConfig
from copaw.config.problems import input_error
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import CopawError
from copaw.ports import Json

_FRAMED = ("runner", "toolkit", "prompt")
"""Built anew with every generation."""


async def dry_run(generations: Generations, slot: AgentSlot, proposed: Json | None) -> Json:
    """Validate a configuration and name what applying it would change.

    :param proposed: fields of ``agent.json`` to lay over the present ones; ``None`` takes the file as it is.
    :returns: ``{dry_run, outcome, error, changed, rebuilt, shared, restarted, draining}``. ``draining`` are the
        leases that would be left on the generation that serves now.
    """
    report: Json = {"dry_run": True, "outcome": Outcome.UNCHANGED, "error": None}
    report |= {name: [] for name in ("changed", "rebuilt", "shared", "restarted", "draining")}
    try:
        wanted = _laid_over(await generations.read(slot.agent_id), proposed, generations)
    except CopawError as error:
        return {**report, "outcome": Outcome.FAILED, "error": error.message}
    if slot.current is None:
        return {**report, "outcome": Outcome.SWAPPED, "rebuilt": [*_FRAMED, "model"]}
    present = slot.current.snapshot
    if present.digest == wanted.digest:
        return report
    model_changed = present.models != wanted.models
    mcp = _compared("mcp", _mcp(present.profile), _mcp(wanted.profile))
    return {
        **report,
        "outcome": Outcome.SWAPPED,
        "changed": generations.changed(present, wanted),
        "rebuilt": [*_FRAMED, *(["model"] if model_changed else []), *mcp[1]],
        "shared": [*([] if model_changed else ["model"]), *mcp[0]],
        "restarted": _compared("channel", _channels(present.profile), _channels(wanted.profile))[1],
        "draining": [lease_view(lease) for lease in slot.current.leases],
    }


def _laid_over(snapshot: AgentSnapshot, proposed: Json | None, generations: Generations) -> AgentSnapshot:
    if proposed is None:
        return snapshot
    try:
        profile = patched(snapshot.profile, proposed)
    except ValidationError as error:
        raise input_error(error) from error
    return generations.snapshot_of(replace(snapshot, profile=profile))


def _mcp(profile: AgentProfileConfig) -> Json:
    clients = profile.mcp.clients if profile.mcp is not None else {}
    return {key: client.model_dump() for key, client in clients.items() if client.enabled}


def _channels(profile: AgentProfileConfig) -> Json:
    channels = profile.channels.model_dump() if profile.channels is not None else {}
    return {key: value for key, value in channels.items() if isinstance(value, dict) and value.get("enabled")}


def _compared(kind: str, old: Json, new: Json) -> tuple[list[str], list[str]]:
    """What stays as it is, and what starts, stops or starts anew."""
    same = [key for key in new if key in old and same_json(old[key], new[key])]
    moved = sorted({*old, *new} - set(same))
    return [f"{kind}:{key}" for key in sorted(same)], [f"{kind}:{key}" for key in moved]
