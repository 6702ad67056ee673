"""``copaw daemon``: how the server and an agent are, in the words of 1.0.2."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import click

from copaw.cli.agents import RELOAD_TIMEOUT_S
from copaw.cli.context import Root
from copaw.paths import Paths

_agent = click.option("--agent-id", default="default", show_default=True, help="The agent.")


@click.group()
def daemon() -> None:
    """See how an agent is, reload it, read the log."""


@daemon.command()
@_agent
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
@click.pass_obj
def status(root: Root, agent_id: str, as_json: bool) -> None:
    """Show an agent's generations and its last reload."""
    from copaw.cli import status_view
    from copaw.cli.output import print_json

    found = root.client().lifecycle(agent_id)
    if as_json:
        print_json(found)
    else:
        status_view.show([found])


@daemon.command()
@_agent
@click.pass_obj
def restart(root: Root, agent_id: str) -> None:
    """Start a new generation of an agent. Returns once it serves; running work is not ended."""
    _reload(root, agent_id)


@daemon.command("reload-config")
@_agent
@click.pass_obj
def reload_config(root: Root, agent_id: str) -> None:
    """Apply an agent's configuration as it is on disk."""
    _reload(root, agent_id)


@daemon.command()
@_agent
@click.pass_obj
def version(root: Root, agent_id: str) -> None:
    """Print the version of the server that runs."""
    click.echo(root.client().version())


@daemon.command()
@click.option("-n", "--lines", default=100, show_default=True, type=int, help="How many lines.")
def logs(lines: int) -> None:
    """Print the end of the server's log."""
    if lines < 1:
        raise click.BadParameter("at least one line", param_hint="--lines")
    path = Paths.from_environment().log_file
    try:
        tail = _tail(path, lines)
    except FileNotFoundError:
        raise click.ClickException(f"There is no log at {path} yet. Start the server with 'copaw app'.") from None
    click.echo("".join(tail), nl=False)


def _tail(path: Path, lines: int) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return list(deque(file, maxlen=lines))


def _reload(root: Root, agent_id: str) -> None:
    from copaw.cli.status_view import reload_line

    outcome = root.client().reload(agent_id, wait=True, timeout_s=RELOAD_TIMEOUT_S)
    click.echo(reload_line(outcome))
    if outcome.get("outcome") == "failed":
        raise click.exceptions.Exit(1)
