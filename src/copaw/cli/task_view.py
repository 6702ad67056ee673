"""Tasks as tables and sentences."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from copaw.cli import runs
from copaw.cli.output import on_terminal, seconds
from copaw.cli.task_client import UNDER_WAY
from copaw.ports import Json

if TYPE_CHECKING:
    from rich.table import Table

WATCH_INTERVAL_S = 1.0
_COLOURS = {"succeeded": "green", "running": "cyan", "failed": "red", "timed_out": "red", "interrupted": "yellow"}


def show_table(tasks: list[Json]) -> None:
    """Print one line a task."""
    from rich.console import Console

    Console().print(table_of(tasks))


def table_of(tasks: Iterable[Json]) -> Table:
    from rich.table import Table

    table = Table("ID", "AGENT", "KIND", "STATE", "AGE", "RAN", "SESSION", "WHY", box=None, pad_edge=False)
    for task in tasks:
        state = str(task.get("state"))
        table.add_row(
            str(task.get("id")),
            str(task.get("agent_id")),
            str(task.get("kind") or "run"),
            f"[{_COLOURS.get(state, 'default')}]{state}[/]",
            seconds(_since(task.get("created_at"))),
            seconds(ran_s(task)),
            str(task.get("session_id")),
            str(task.get("end_reason") or ""),
        )
    return table


def ran_s(task: Json) -> float | None:
    """Seconds that a task ran, or has run so far."""
    started, ended = _time(task.get("started_at")), _time(task.get("ended_at"))
    if started is None:
        return None
    return max(0.0, ((ended or datetime.now(UTC)) - started).total_seconds())


def show_one(task: Json) -> None:
    """Print a task, and its answer or error when it has ended."""
    names = ("id", "agent_id", "session_id", "kind", "tool", "arguments", "state", "end_reason", "attempt", "retry_of",
             "retried_as", "created_at", "started_at", "ended_at", "timeout_seconds", "generation")  # fmt: skip
    for name in names:
        if task.get(name) is not None:
            click.echo(f"{name}: {task[name]}")
    text = outcome(task)
    if text:
        click.echo(f"\n{text}")


def outcome(task: Json) -> str:
    """What a task answered, or why it did not; empty while it is under way."""
    match task:
        case {"kind": "tool", "answer": str(answer)}:
            return answer
        case {"state": "succeeded", "result": dict(result)}:
            return runs.answer_text(result)
        case {"state": str(state), "result": dict(result)} if state not in UNDER_WAY:
            said = runs.answer_text(result)
            return "\n\n".join(part for part in (said, f"Error: {runs.error_text(result)}") if part)
    return ""


def watch(read: Callable[[], list[Json]]) -> None:
    """Show the table again and again until Ctrl-C; without a terminal only what changed, as lines."""
    try:
        if on_terminal():
            _watch_table(read)
        else:
            _watch_lines(read)
    except KeyboardInterrupt:
        return


def _watch_table(read: Callable[[], list[Json]]) -> None:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        while True:
            live.update(table_of(read()), refresh=True)
            time.sleep(WATCH_INTERVAL_S)


def _watch_lines(read: Callable[[], list[Json]]) -> None:
    known: dict[str, str] = {}
    while True:
        for line in changes(known, read()):
            click.echo(line)
        time.sleep(WATCH_INTERVAL_S)


def changes(known: dict[str, str], tasks: list[Json]) -> Iterator[str]:
    """A JSON line for each task whose state is new, oldest first; ``known`` is brought up to date."""
    for task in reversed(tasks):
        task_id, state = str(task.get("id")), str(task.get("state"))
        if known.get(task_id) != state:
            known[task_id] = state
            yield json.dumps({name: task.get(name) for name in ("id", "agent_id", "state", "end_reason")})


def _since(text: object) -> float | None:
    moment = _time(text)
    return None if moment is None else max(0.0, (datetime.now(UTC) - moment).total_seconds())


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
