"""The task routes of the server as typed calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from copaw.cli.transport import ServerSilent, Transport
from copaw.ports import Json

TASKS = "/api/tasks"
POLL_S = 20.0
"""One long poll; shorter than what proxies allow."""
_MARGIN_S = 15.0

UNDER_WAY = frozenset({"queued", "running", "cancelling"})
"""States in which a task has not ended."""


class TaskClient:
    """One method an operation. Each raises what :meth:`Transport.call` raises."""

    def __init__(self, http: Transport) -> None:
        self.http = http

    def page(
        self,
        *,
        state: str | None = None,
        agent: str | None = None,
        kind: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Json:
        """``{"tasks", "next_cursor"}``."""
        query = {"state": state, "agent_id": agent, "kind": kind, "limit": str(limit), "cursor": cursor}
        return _object(self.http.call("GET", TASKS, query=query))

    def show(self, task_id: str) -> Json:
        return _object(self.http.call("GET", _path(task_id)))

    def wait(self, task_id: str, timeout_s: float | None, clock: Callable[[], float] = time.monotonic) -> Json:
        """The task when it has ended, or as it is after ``timeout_s`` seconds; ``None`` waits without limit."""
        deadline = None if timeout_s is None else clock() + timeout_s
        while True:
            left_s = POLL_S if deadline is None else max(0.0, min(POLL_S, deadline - clock()))
            query = {"timeout": f"{left_s:.3f}"}
            task = _object(self.http.call("GET", f"{_path(task_id)}/wait", query=query, timeout_s=left_s + _MARGIN_S))
            if task.get("state") not in UNDER_WAY or (deadline is not None and clock() >= deadline):
                return task

    def cancel(self, task_id: str) -> Json:
        return _object(self.http.call("POST", f"{_path(task_id)}/cancel"))

    def retry(self, task_id: str) -> Json:
        """The new task."""
        return _object(self.http.call("POST", f"{_path(task_id)}/retry"))

    def delete(self, task_id: str) -> None:
        self.http.call("DELETE", _path(task_id))


def _path(task_id: str) -> str:
    return f"{TASKS}/{quote(task_id, safe='')}"


def _object(answer: object) -> Json:
    if not isinstance(answer, dict):
        raise ServerSilent("The server's answer is not a JSON object; is it a copaw server?")
    return answer
