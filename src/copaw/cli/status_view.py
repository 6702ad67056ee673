"""Lifecycle answers as tables and sentences."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from copaw.cli.output import on_terminal, seconds
from copaw.ports import Json

if TYPE_CHECKING:
    from rich.table import Table

WATCH_INTERVAL_S = 1.0


def show(documents: list[Json]) -> None:
    """Print one table and a line about each agent's last reload."""
    from rich.console import Console

    console = Console()
    console.print(table_of(documents))
    for line in _reload_lines(documents):
        console.print(line, markup=False, highlight=False)


def watch(read: Callable[[], list[Json]], *, as_json: bool) -> None:
    """Show it again and again until Ctrl-C; without a terminal only what changed, as lines."""
    try:
        if on_terminal() and not as_json:
            _watch_table(read)
        else:
            _watch_lines(read, as_json=as_json)
    except KeyboardInterrupt:
        return


def _watch_table(read: Callable[[], list[Json]]) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        while True:
            documents = read()
            lines = [Text(line) for line in _reload_lines(documents)]
            live.update(Group(table_of(documents), *lines), refresh=True)
            time.sleep(WATCH_INTERVAL_S)


def _watch_lines(read: Callable[[], list[Json]], *, as_json: bool) -> None:
    before: list[str] = []
    while True:
        documents = read()
        lines = [json.dumps(d, ensure_ascii=False) for d in documents] if as_json else list(plain_lines(documents))
        for line in lines:
            if line not in before:
                click.echo(line)
        before = lines
        time.sleep(WATCH_INTERVAL_S)


def table_of(documents: list[Json]) -> Table:
    """A row a lease; a generation without leases has one row."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("agent", "generation", "state", "open until", "kept by", "key", "age", "idle"):
        table.add_column(column, overflow="fold")
    for document in documents:
        for row in _rows(document):
            table.add_row(*row)
    return table


def _rows(document: Json) -> Iterator[tuple[str, ...]]:
    agent = str(document.get("agent_id", "?"))
    generations = document.get("generations") or []
    if not generations:
        yield (agent, "-", str(document.get("state", "?")), "-", "-", "-", "-", "-")
    for generation in generations:
        number, state = str(generation.get("generation")), str(generation.get("state"))
        deadline = str(generation.get("drain_deadline") or "-") if state == "draining" else "-"
        head = (agent, number, state, deadline)
        leases = generation.get("leases") or []
        if not leases:
            yield (*head, "-", "-", "-", "-")
        for lease in leases:
            ages = (seconds(lease.get("age_seconds")), seconds(lease.get("idle_seconds")))
            yield (*head, str(lease.get("kind")), str(lease.get("key") or lease.get("session_id") or "-"), *ages)


def plain_lines(documents: Iterable[Json]) -> Iterator[str]:
    """One line a generation, free of ages so that a line changes only when something happened."""
    for document in documents:
        for generation in document.get("generations") or []:
            held = ", ".join(f"{lease.get('kind')} {lease.get('key') or ''}".strip() for lease in generation["leases"])
            number, state = generation.get("generation"), generation.get("state")
            yield f"{document.get('agent_id')}: generation {number} {state}, kept by {held or 'nobody'}"
        yield from _reload_lines([document])


def _reload_lines(documents: Iterable[Json]) -> Iterator[str]:
    for document in documents:
        match document.get("last_reload"):
            case dict(last) if last.get("outcome"):
                yield f"{document.get('agent_id')}: last reload: {reload_line(last)}"
        if document.get("reload_pending"):
            yield f"{document.get('agent_id')}: a reload is under way."


def reload_line(outcome: Json) -> str:
    """A reload's outcome in one line: what, which generation, how long, what changed, what went wrong."""
    parts = [str(outcome.get("outcome") or "accepted")]
    if outcome.get("generation") is not None:
        parts.append(f"generation {outcome['generation']}")
    if outcome.get("duration_seconds") is not None:
        parts.append(f"in {seconds(outcome['duration_seconds'])}")
    line = ", ".join(parts)
    changed = outcome.get("changed") or []
    if changed:
        line += f"; changed: {', '.join(str(field) for field in changed)}"
    if outcome.get("error"):
        line += f"; error: {_error_text(outcome['error'])}"
    return line


def preview_lines(outcome: Json) -> str:
    """What a reload would do, one line a kind of change."""
    if outcome.get("error"):
        return f"would fail: {_error_text(outcome['error'])}"
    if outcome.get("outcome") == "unchanged":
        return "would change nothing"
    kinds = [name for name in ("changed", "rebuilt", "shared", "restarted") if outcome.get(name)]
    held = outcome.get("draining") or []
    return "\n".join(
        [
            "would swap to a new generation",
            *(f"  {name}: {', '.join(outcome[name])}" for name in kinds),
            *(f"  left draining: {one['kind']} {one['key']}, {seconds(one['age_seconds'])} old" for one in held),
        ]
    )


def _error_text(error: object) -> str:
    match error:
        case {"message": str(text)}:
            return text
    return str(error)
