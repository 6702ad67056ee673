"""What a slot is given: its knobs, and how configurations are read and compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from copaw.app.workspace.workspace import DEFAULT_UNWIND_S
from copaw.config.snapshot import AgentSnapshot


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """Knobs of the reconcile task, in seconds.

    :param settle_max_s: a steady stream of edits is applied after so long, however short their distance.
    :param build_s: a start that takes longer has failed.
    :param unwind_s: how long a run that was asked to end may take before it is abandoned.
    """

    settle_max_s: float = 0.8
    build_s: float = 120.0
    unwind_s: float = DEFAULT_UNWIND_S


ReadSnapshot = Callable[[str], Awaitable[AgentSnapshot]]
"""Reads and validates an agent's configuration. Raises ``CopawError`` with the field at fault."""

Changed = Callable[[AgentSnapshot, AgentSnapshot], list[str]]
"""Names the fields that differ."""
