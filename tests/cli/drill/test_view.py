from __future__ import annotations

import io

from rich.console import Console
from rich.live import Live

from copaw.cli.drill.record import Record, TaskRecord
from copaw.cli.drill.tasks import make_tasks
from copaw.cli.drill.view import LiveView, PlainView

DOCUMENT = {
    "generation": 2,
    "generations": [
        {"generation": 1, "state": "draining", "leases": [{"kind": "task", "task_id": "t1"}, {"kind": "cron"}]},
        {"generation": 2, "state": "serving", "leases": []},
    ],
}


def _record() -> Record:
    return Record([TaskRecord(make_tasks(1, 1)[0], task_id="t1", status="running")])


def test_plain_lines_appear_only_when_something_changed(capsys) -> None:
    view, record = PlainView(), _record()
    view.update(DOCUMENT, record)
    view.update(DOCUMENT, record)
    record.tasks[0].ended_at = 1.0
    view.update(DOCUMENT, record)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "generation 1 draining (task 1, cron); generation 2 serving; 0 of 1 tasks ended"
    assert second.endswith("1 of 1 tasks ended")


def test_the_live_table_shows_who_keeps_what_open() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        view = LiveView(live)
        view.say("round 1")
        view.update(DOCUMENT, _record())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 1" in text
    assert "task 1, cron" in text
    assert "1 running" in text
