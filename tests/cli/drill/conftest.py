"""A world that behaves as the server does while it is drilled: settings, generations, tasks that end late."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

import pytest

SETTINGS = {
    "/api/agent/running-config": {"max_iters": 100, "other": 1},
    "/api/agent/system-prompt-files": ["AGENTS.md", "SOUL.md", "PROFILE.md"],
    "/api/agents/default": {"id": "default", "description": ""},
    "/api/config/channels": {"console": {"enabled": True, "bot_prefix": ""}, "qq": {}},
}


class World:
    """Tasks end once ``changes_wanted`` settings were saved and each task was asked for twice.

    :param flaws: ``forgets`` (a setting is not kept), ``leaks`` (a generation never closes), ``interrupts``
        (a reload ends the tasks of the old generation), ``mixes`` (task 1 gets task 2's answer).
    """

    def __init__(self, changes_wanted: int, flaws: set[str]) -> None:
        self.changes_wanted = changes_wanted
        self.flaws = flaws
        self.settings: dict[str, Any] = dict(SETTINGS)
        self.saved: list[str] = []
        self.generation = 1
        self.asked_ready = 0
        self.asked: Counter[str] = Counter()
        self.closed: set[int] = set()
        self.tasks: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> tuple[int, Any]:
        with self._lock:
            return self._answer(request)

    def _answer(self, request: Any) -> tuple[int, Any]:
        path = request.path
        if request.method == "POST":
            task_id = f"t{len(self.tasks) + 1}"
            self.tasks[task_id] = (request.body["input"][0]["content"][0]["text"], self.generation)
            return 200, {"task_id": task_id, "status": "submitted"}
        if path == "/readyz":
            self.asked_ready += 1
            return (503, {"status": "starting"}) if self.asked_ready < 2 else (200, {"status": "ready"})
        if path.startswith("/api/agent/process/task/"):
            return 200, self._status(path.rpartition("/")[2])
        if path.endswith("/lifecycle"):
            return 200, self._lifecycle()
        if request.method == "PUT":
            self._save(path, request.body)
        return 200, self.settings[path]

    def _save(self, path: str, body: Any) -> None:
        assert body != self.settings[path], f"{path} was not changed"
        if not ("forgets" in self.flaws and path.endswith("channels")):
            self.settings[path] = body
        self.saved.append(path)
        self.generation += 1

    @property
    def over(self) -> bool:
        seen = all(self.asked[task_id] >= 2 for task_id in self.tasks)
        return seen and len(self.saved) >= self.changes_wanted and len(self.tasks) >= 2

    def _status(self, task_id: str) -> dict[str, Any]:
        text, generation = self.tasks[task_id]
        self.asked[task_id] += 1
        if "interrupts" in self.flaws and generation < self.generation:
            error = {"code": "AGENT_ERROR", "message": "Task has been cancelled!"}
            return {"status": "finished", "result": {"status": "failed", "error": error}}
        if not self.over:
            return {"status": "pending", "result": None}
        number = re.search(r"Drill task (\d+)", text)[1]  # type: ignore[index]
        number = "2" if "mixes" in self.flaws and number == "1" else number
        answer = f"answer drill-{number}: drill-{number}-1 drill-{number}-2 drill-{number}-3"
        message = {"type": "message", "content": [{"type": "text", "text": answer}]}
        return {"status": "finished", "result": {"status": "completed", "output": [message]}}

    def _lifecycle(self) -> dict[str, Any]:
        leases: dict[int, list[dict[str, Any]]] = {self.generation: []}
        if "leaks" in self.flaws:
            leases[1] = []
        if not self.over:
            for task_id, (_, generation) in self.tasks.items():
                leases.setdefault(generation, []).append({"kind": "task", "task_id": task_id})
        generations = [
            {"generation": n, "state": "serving" if n == self.generation else "draining", "leases": held}
            for n, held in sorted(leases.items())
        ]
        return {"generation": self.generation, "generations": generations, "reload_pending": False}


@pytest.fixture
def world(server: Any) -> Any:
    def make(changes_wanted: int, *flaws: str) -> World:
        server.fallback = made = World(changes_wanted, set(flaws))
        return made

    return make
