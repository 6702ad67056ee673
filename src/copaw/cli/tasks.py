"""``copaw tasks``: the ledger of background tasks."""

from __future__ import annotations

import click

from copaw.cli.context import Root
from copaw.cli.output import print_json
from copaw.cli.task_client import UNDER_WAY, TaskClient

KINDS = ("run", "tool")
STATES = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled", "timed_out", "interrupted")
_base_url = click.option("--base-url", help="Address of the server, such as http://127.0.0.1:8088.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
_state = click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
_agent = click.option("--agent", help="Only tasks of this agent.")
_kind = click.option("--kind", type=click.Choice(KINDS), help="Only runs of requests, or only tool calls.")


def _client(root: Root, base_url: str | None) -> TaskClient:
    return TaskClient(root.client(base_url).http)


@click.group()
def tasks() -> None:
    """List, show, wait for, cancel and retry background tasks."""


@tasks.command("list")
@_state
@_agent
@_kind
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on where the last page ended (next_cursor of --json).")
@_json
@_base_url
@click.pass_obj
def list_tasks(
    root: Root,
    state: str | None,
    agent: str | None,
    kind: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
    base_url: str | None,
) -> None:
    """List tasks, newest first."""
    page = _client(root, base_url).page(state=state, agent=agent, kind=kind, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    from copaw.cli.task_view import show_table

    show_table(page.get("tasks") or [])


@tasks.command()
@click.argument("task_id")
@_json
@_base_url
@click.pass_obj
def show(root: Root, task_id: str, as_json: bool, base_url: str | None) -> None:
    """Show one task with its result."""
    _print(_client(root, base_url).show(task_id), as_json=as_json)


@tasks.command()
@click.argument("task_id")
@click.option("--timeout", type=float, help="Seconds to wait; without it until the end.")
@_json
@_base_url
@click.pass_obj
def wait(root: Root, task_id: str, timeout: float | None, as_json: bool, base_url: str | None) -> None:
    """Wait for a task's end and show it. Exit status 1 when it did not succeed."""
    if timeout is not None and timeout < 0:
        raise click.UsageError("--timeout must not be negative.")
    task = _client(root, base_url).wait(task_id, timeout)
    _print(task, as_json=as_json)
    if task.get("state") in UNDER_WAY:
        click.echo(f"The task is still {task['state']} after {timeout:g} s; it goes on.", err=True)
    if task.get("state") != "succeeded":
        raise click.exceptions.Exit(1)


@tasks.command()
@_state
@_agent
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many.")
@_base_url
@click.pass_obj
def watch(root: Root, state: str | None, agent: str | None, limit: int, base_url: str | None) -> None:
    """Watch tasks until Ctrl-C."""
    from copaw.cli import task_view

    client = _client(root, base_url)
    task_view.watch(lambda: client.page(state=state, agent=agent, limit=limit).get("tasks") or [])


@tasks.command()
@click.argument("task_ids", nargs=-1, required=True)
@_base_url
@click.pass_obj
def cancel(root: Root, task_ids: tuple[str, ...], base_url: str | None) -> None:
    """Ask tasks to end. Harmless for those that have ended."""
    client = _client(root, base_url)
    for task_id in task_ids:
        click.echo(f"{task_id}: {client.cancel(task_id).get('state')}")


@tasks.command()
@click.argument("task_id")
@_json
@_base_url
@click.pass_obj
def retry(root: Root, task_id: str, as_json: bool, base_url: str | None) -> None:
    """Ask for the same again, as a new task."""
    task = _client(root, base_url).retry(task_id)
    if as_json:
        print_json(task)
    else:
        click.echo(f"[TASK_ID: {task.get('id')}]\n[SESSION: {task.get('session_id')}]")


@tasks.command()
@click.argument("task_id")
@_base_url
@click.pass_obj
def delete(root: Root, task_id: str, base_url: str | None) -> None:
    """Forget a task that has ended. Its session stays."""
    _client(root, base_url).delete(task_id)
    click.echo(f"{task_id}: deleted")


def _print(task: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(task)
        return
    from copaw.cli.task_view import show_one

    show_one(task)
