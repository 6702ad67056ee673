"""``copaw version``."""

from __future__ import annotations

import click

from copaw import __version__


@click.command()
def version() -> None:
    """Print the version number."""
    click.echo(__version__)
