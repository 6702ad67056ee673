"""Ending a command with everything it started.

A command runs as the leader of its own session. Its process group is not enough: ``timeout`` and job control
make groups of their own, and ``setsid`` makes a session. So on Linux the process table is read, and the family
of a session is: who is in the session, who descends from one of those, and who was seen to do so before.
Elsewhere the leader's group is all that can be found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

KILL_BOUND_S = 0.5
_FIRST_LOOK_S = 0.01
_LAST_LOOK_S = 0.1
_PROC = Path("/proc")


class _Entry(NamedTuple):
    parent: int
    session: int
    started: int


async def end_session(session: int, grace_s: float) -> bool:
    """Ask the family of a session to end (SIGTERM), and kill what is left after ``grace_s`` seconds.

    :returns: whether nothing is left. Takes at most ``grace_s`` plus twice :data:`KILL_BOUND_S` seconds.
    """
    family = _Family(session)
    try:
        async with asyncio.timeout(grace_s + 2 * KILL_BOUND_S):
            if await family.tell(signal.SIGTERM, within_s=grace_s):
                return True
            if await family.tell(signal.SIGKILL, within_s=KILL_BOUND_S):
                return True
    except TimeoutError:
        _signal_group(session, signal.SIGKILL)
    logger.warning("processes of session %d are still there after SIGKILL: %s", session, sorted(family.known))
    return False


class _Family:
    def __init__(self, session: int) -> None:
        self._session = session
        self.known: dict[int, int] = {}
        """Process id to start time: an orphan in a session of its own is recognised by nothing else."""

    async def tell(self, number: signal.Signals, *, within_s: float) -> bool:
        """Signal everybody and wait until nobody is left. There is no event for the end of a non-child."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        pause = _FIRST_LOOK_S
        asked: set[int] = set()
        while True:
            alive = await asyncio.to_thread(self._look)
            if not alive:
                return True
            # SIGKILL is repeated, because a family that forks fast has new members at each look.
            self._send(number, alive if number == signal.SIGKILL else alive - asked)
            asked |= alive
            if loop.time() + pause > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_LOOK_S)

    def _look(self) -> set[int]:
        table = _process_table()
        if table is None:
            return {self._session} if _signal_group(self._session, 0) else set()
        alive = {
            pid
            for pid, entry in table.items()
            if entry.session == self._session or self.known.get(pid) == entry.started
        }
        grown = True
        while grown:
            children = {pid for pid, entry in table.items() if entry.parent in alive} - alive
            alive |= children
            grown = bool(children)
        self.known = {pid: table[pid].started for pid in alive}
        return alive

    def _send(self, number: signal.Signals, pids: set[int]) -> None:
        # One by one, for a second SIGTERM through the group means "at once" to some servers. The leader first,
        # or a shell would go on with the next command of its list.
        for pid in sorted(pids, key=lambda pid: pid != self._session):
            if not self.known:
                _signal_group(pid, number)
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _process_table() -> dict[int, _Entry] | None:
    """Every process that is not a zombie; None where there is no ``/proc``."""
    if not (_PROC / "self" / "stat").exists():
        return None
    table = {}
    for name in os.listdir(_PROC):  # noqa: PTH208 - names are all that is needed, of hundreds of entries
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X"):
                table[int(name)] = _Entry(int(fields[1]), int(fields[3]), int(fields[19]))
    return table
