"""Tasks that ended a moment ago, because whoever waits for a task asks for its result right then.

Reading a row takes a thread and more work than all the rest of such a request.
"""

from __future__ import annotations

import asyncio

from copaw.app.background.records import TaskRecord

KEPT_S = 5.0
"""Another server that shares the database may have deleted a task or tried it again; for so long that is not seen."""
KEPT = 64


class JustEnded:
    """Records that are also in the ledger; the same there as here but for what others did to it since."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, TaskRecord]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, record: TaskRecord) -> None:
        """Keep a record for :data:`KEPT_S`, unless :data:`KEPT` others come; one that goes on to change is not kept."""
        if record.callback_url is not None or record.asker is not None:
            return
        self._kept[record.id] = (asyncio.get_running_loop().time() + KEPT_S, record)
        if len(self._kept) > KEPT:
            self.forget(next(iter(self._kept)))
        self._wait()

    def get(self, task_id: str) -> TaskRecord | None:
        kept = self._kept.get(task_id)
        return kept[1] if kept is not None else None

    def forget(self, task_id: str) -> None:
        self._kept.pop(task_id, None)

    def _wait(self) -> None:
        # One timer for all: each is a few objects, and hundreds of tasks may end in the time that one is kept.
        if self._timer is None and self._kept:
            due, _ = next(iter(self._kept.values()))
            self._timer = asyncio.get_running_loop().call_at(due, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._kept = {task_id: kept for task_id, kept in self._kept.items() if kept[0] > now}
        self._wait()
