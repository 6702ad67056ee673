"""The ``copaw`` command in a process that sends itself a signal at one exact moment of its agents' lives.

``python signal_at.py SIGNAL MOMENT FILE COMMAND...``: when the moment comes for the first time in the second
generation or later, FILE is made and the signal sent, in that very call. Everything else is the real thing.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from copaw.aiokits.lease import Lease
from copaw.app.agent_slot import AgentSlot
from copaw.app.workspace import Workspace
from copaw.app.workspace.state import WorkspaceState
from copaw.cli.main import main

MOMENTS = {
    "build": (Workspace, "start", "after"),
    "built": (AgentSlot, "_swap", "before"),
    "swap": (Workspace, "serve", "after"),  # the new one is in place, the old one not yet retired
    "drain": (Workspace, "retire", "after"),
    "expiry": (Lease, "end", "after"),  # the first of several leases was told
    "closing": (Workspace, "_to", "after"),
}


def wanted(moment: str, subject: Any, arguments: tuple[Any, ...]) -> bool:
    match moment:
        case "build" | "swap":
            return subject.generation == 2
        case "closing":
            return arguments[0] is WorkspaceState.CLOSING
        case "built":
            return arguments[1].generation == 2
        case _:
            return True


def arm(number: int, moment: str, file: Path) -> None:
    owner, name, when = MOMENTS[moment]
    original = getattr(owner, name)

    def strike() -> None:
        if not file.exists():
            file.touch()
            os.kill(os.getpid(), number)

    @functools.wraps(original)
    def method(subject: Any, *arguments: Any, **named: Any) -> Any:
        hit = wanted(moment, subject, arguments)
        if hit and when == "before":
            strike()
        result = original(subject, *arguments, **named)
        if hit and when == "after":
            strike()
        return result

    setattr(owner, name, method)


if __name__ == "__main__":
    _, signal_name, at, marker, *command = sys.argv
    arm(signal.Signals[signal_name], at, Path(marker))
    sys.argv = ["copaw", *command]
    main()
