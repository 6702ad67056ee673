"""``copaw update``: the command that renews copaw, for the way it was installed."""

from __future__ import annotations

import subprocess
import sys

import click

from copaw import __version__
from copaw.cli.home_lock import server_runs
from copaw.cli.installation import How, installation, run, typed
from copaw.paths import Paths


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Run it without asking.")
def update(yes: bool) -> None:
    """Show the command that installs the newest version, and run it after asking.

    A running server is not restarted; it goes on with what it has loaded.
    """
    found = installation()
    command = typed(found.update_command())
    click.echo(f"copaw {__version__}, installed with {found.how} in {found.where}.")
    if found.how is How.CHECKOUT:
        click.echo(f"A source checkout is renewed by hand:\n  {command}\n  make -C {found.where} install")
        return
    click.echo(f"The command:\n  {command}")
    running = server_runs(Paths.from_environment())
    if running:
        click.echo(
            "A server is running. It loads parts of itself when they are first needed, and those would then be of "
            "another version: end it with `copaw shutdown` before, and start it with `copaw app` afterwards.",
            err=True,
        )
    if not yes and not click.confirm("Run it now?", default=not running):
        return
    run(found.update_command())
    click.echo(_outcome())


def _outcome() -> str:
    asked = subprocess.run([sys.executable, "-m", "copaw", "version"], capture_output=True, text=True, check=False)
    now = asked.stdout.strip()
    if asked.returncode != 0 or not now:
        return "The version that is installed now does not start; `copaw doctor` may say why."
    return f"copaw is {now} now." if now != __version__ else f"{now} is the newest version there is for it."
