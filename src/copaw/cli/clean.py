"""``copaw clean``: empty the working directory, or only remove what nobody reads any more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from copaw.cli import leftovers as leftover_files
from copaw.cli import removal
from copaw.cli.home_lock import exclusive
from copaw.errors import BadInput
from copaw.paths import Paths

HOME_MARKS = ("config.json", "workspaces", "runtime.json", "copaw.lock", "copaw.log", "copaw.db")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--leftovers", is_flag=True, help="Only what crashes and repairs left behind.")
def clean(yes: bool, dry_run: bool, leftovers: bool) -> None:
    """Remove everything in the working directory: agents, chats, tasks, logs. Shows it first.

    Keys and other secrets stay, and so do workspaces elsewhere. With --leftovers only files that were half written
    or set aside go, and a server may run.
    """
    paths = Paths.from_environment()
    if leftovers:
        _remove(leftover_files.find(paths), yes=yes, dry_run=dry_run)
        return
    check_home(paths)
    with exclusive(paths):
        _say_what_stays(paths)
        _remove(home_items(paths), yes=yes, dry_run=dry_run)


def check_home(paths: Paths) -> None:
    """:raises BadInput: the working directory holds more than copaw's own files."""
    removal.check_ours(paths.working_dir, (paths.config_name, *HOME_MARKS), "COPAW_WORKING_DIR")


def home_items(paths: Paths) -> list[removal.Item]:
    """What is in the working directory, without the lock that is held, the secrets and the program itself."""
    kept = [paths.working_dir / "copaw.lock", *program_in(paths.working_dir), *_secrets_in(paths)]
    return removal.items_of(paths.working_dir, keep=kept)


def _secrets_in(paths: Paths) -> list[Path]:
    """What holds the secrets, if they are below the working directory.

    :raises BadInput: they are the working directory itself, so that nothing tells them apart.
    """
    working, secret = paths.working_dir.resolve(), paths.secret_dir.resolve()
    if secret == working:
        raise BadInput(f"The keys are kept in {working} itself, and would be removed with the rest; remove by hand.")
    return [paths.working_dir / secret.relative_to(working).parts[0]] if secret.is_relative_to(working) else []


def program_in(working_dir: Path) -> list[Path]:
    """``venv`` and ``bin`` where an installer of 1.0.2 put the program that runs now, else nothing."""
    environment = working_dir / "venv"
    if not environment.is_dir() or Path(sys.prefix).resolve() != environment.resolve():
        return []
    return [path for path in (environment, working_dir / "bin") if path.exists()]


def _say_what_stays(paths: Paths) -> None:
    stays = [f"{paths.secret_dir} (keys)"] if paths.secret_dir.exists() else []
    stays += [f"{path} (agent {agent})" for agent, path in leftover_files.outside_workspaces(paths).items()]
    stays += ["the database of COPAW_DATABASE_URL"] if os.environ.get("COPAW_DATABASE_URL") else []
    for what in stays:
        click.echo(f"Stays: {what}")


def _remove(items: list[removal.Item], *, yes: bool, dry_run: bool) -> None:
    if not items:
        click.echo("There is nothing to remove.")
        return
    click.echo("Would be removed:" if dry_run else "To be removed:")
    removal.show(items)
    if dry_run:
        return
    if not yes:
        click.confirm("Remove all of this?", abort=True)
    removal.remove(items)
    click.echo(f"Removed {len(items)}.")
