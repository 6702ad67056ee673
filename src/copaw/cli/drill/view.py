"""What the drill shows while it runs: a live table on a terminal, else lines when something changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from copaw.cli.drill.record import Record
from copaw.cli.output import on_terminal
from copaw.ports import Json

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class View(Protocol):
    """Something that shows progress."""

    def say(self, line: str) -> None:
        """An event, told once."""

    def update(self, document: Json, record: Record) -> None:
        """The newest lifecycle answer and what is known of the tasks."""


@contextmanager
def open_view(*, quiet: bool) -> Iterator[View]:
    """:param quiet: say nothing on stdout, which is for JSON then; events go to stderr."""
    if quiet:
        yield PlainView(to_stderr=True)
    elif not on_terminal():
        yield PlainView()
    else:
        from rich.live import Live

        with Live(auto_refresh=False, transient=True) as live:
            yield LiveView(live)


class PlainView:
    """Lines; a state is printed only when it differs from the last one."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self._to_stderr = to_stderr
        self._last = ""

    def say(self, line: str) -> None:
        click.echo(line, err=self._to_stderr)
        (sys.stderr if self._to_stderr else sys.stdout).flush()

    def update(self, document: Json, record: Record) -> None:
        line = state_line(document, record)
        if line != self._last:
            self._last = line
            self.say(line)


class LiveView:
    """A table redrawn in place, with the events above it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False)

    def update(self, document: Json, record: Record) -> None:
        self._live.update(_table(document, record), refresh=True)


def held(document: Json, record: Record) -> Iterator[tuple[int, str, list[str]]]:
    """``(generation, state, who keeps it open)`` for each generation there is."""
    names = {task.task_id: f"task {task.task.number}" for task in record.tasks if task.task_id}
    for generation in document.get("generations") or []:
        leases = generation.get("leases") or []
        who = [names.get(str(lease.get("task_id")), str(lease.get("kind"))) for lease in leases]
        yield int(generation["generation"]), str(generation["state"]), who


def state_line(document: Json, record: Record) -> str:
    """``generation 1 draining (task 1, task 2); generation 2 serving; 2 of 10 tasks ended``."""
    parts = [
        f"generation {number} {state}" + (f" ({', '.join(who)})" if who else "")
        for number, state, who in held(document, record)
    ]
    ended = sum(1 for task in record.tasks if task.ended_at is not None)
    return "; ".join([*parts, f"{ended} of {len(record.tasks)} tasks ended"])


def _table(document: Json, record: Record) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("generation", "state", "kept open by"):
        table.add_column(column, overflow="fold")
    for number, state, who in held(document, record):
        table.add_row(str(number), state, ", ".join(who) or "-")
    states = ", ".join(f"{task.task.number} {task.status}" for task in record.tasks)
    table.add_row("", "tasks", states)
    return table
