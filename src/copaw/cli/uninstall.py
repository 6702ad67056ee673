"""``copaw uninstall``: remove the program and, with ``--purge``, all that it keeps."""

from __future__ import annotations

import click

from copaw.cli import removal
from copaw.cli.clean import check_home, home_items, program_in
from copaw.cli.home_lock import exclusive
from copaw.cli.installation import How, Installation, installation, run, typed
from copaw.cli.leftovers import outside_workspaces
from copaw.cli.removal import Item
from copaw.paths import Paths

SECRET_MARKS = ("providers", "local_token.json", "envs.json", "auth.json")


@click.command()
@click.option("--purge", is_flag=True, help="Remove the working directory and the secrets, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(purge: bool, yes: bool) -> None:
    """Remove copaw. Shows first what goes. Without --purge agents, chats and keys stay."""
    paths, found = Paths.from_environment(), installation()
    program = [Item(path, "the program") for path in program_in(paths.working_dir)]
    with exclusive(paths):
        data = _data(paths) if purge else []
        _show(paths, found, program, data)
        if not yes:
            click.confirm("Go on?", abort=True)
        # First what may fail: what is needed from here on is loaded.
        if not program:
            run(found.uninstall_command())
        removal.remove(data)
    if purge:
        _remove_homes(paths)
    removal.remove(program)
    click.echo("copaw is removed.")


def _data(paths: Paths) -> list[Item]:
    check_home(paths)
    removal.check_ours(paths.secret_dir, SECRET_MARKS, "COPAW_SECRET_DIR")
    return [*home_items(paths), *removal.items_of(paths.secret_dir)]


def _show(paths: Paths, found: Installation, program: list[Item], data: list[Item]) -> None:
    if program:
        click.echo("The program, to be removed:")
        removal.show(program)
        click.echo("A line that puts it on the PATH stays in the start-up file of your shell.")
    else:
        click.echo(f"The program, installed with {found.how} in {found.where}, is removed by:")
        click.echo(f"  {typed(found.uninstall_command())}")
    if found.how is How.CHECKOUT:
        click.echo(f"Stays: the source checkout in {found.where}")
    if data:
        click.echo("Data, to be removed for good:")
        removal.show(data)
    kept = list(outside_workspaces(paths).values())
    kept += [] if data else [path for path in (paths.working_dir, paths.secret_dir) if path.exists()]
    for path in kept:
        click.echo(f"Stays: {path}")


def _remove_homes(paths: Paths) -> None:
    """Remove the directories themselves, empty now; of a link to one only the link."""
    (paths.working_dir / "copaw.lock").unlink(missing_ok=True)
    # The secrets first: they may be below the working directory.
    for directory in (paths.secret_dir, paths.working_dir):
        if directory.is_symlink():
            directory.unlink()
        elif directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
