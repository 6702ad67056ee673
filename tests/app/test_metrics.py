"""The numbers of tasks that operators scrape."""

from __future__ import annotations

from collections import Counter

from copaw.app.background.records import TaskState
from copaw.app.metrics import LifecycleMetrics, TaskTally


def test_tasks_are_counted_by_agent_and_state() -> None:
    present: TaskTally = Counter({("a", TaskState.RUNNING): 2, ("b", TaskState.QUEUED): 1, ("a", TaskState.FAILED): 1})
    ended: TaskTally = Counter({("a", TaskState.SUCCEEDED): 3})
    metrics = LifecycleMetrics()
    metrics.watch_tasks(lambda: (present, ended))
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("copaw_tasks")]
    assert lines == [
        'copaw_tasks{agent="a",state="running"} 2.0',
        'copaw_tasks{agent="b",state="queued"} 1.0',
        'copaw_tasks_ended_total{agent="a",state="succeeded"} 3.0',
    ]
