"""``copaw auth``: the account of the server on this machine. Whoever may read its secrets needs no password."""

from __future__ import annotations

import sys

import click

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError, NotFound
from copaw.paths import Paths
from copaw.security.account import ACCOUNT_NAME, Account, AccountFile, checked_password

_DAY_S = 24 * 3600


@click.group()
def auth() -> None:
    """Reset the password of the server on this machine, make tokens for use elsewhere."""


@auth.command("reset-password")
def reset_password() -> None:
    """Set a new password; every earlier log-in and token ends.

    The password is asked for, or read from standard input if that is no terminal. A running server notices within a
    second. An auth.json that cannot be used is set aside first.
    """
    from copaw.security.account import new_account

    files = SecretFiles(Paths.from_environment().secret_dir)
    try:
        known = _registered(AccountFile(files)).username
    except ConfigFileError as damaged:
        click.echo(f"{damaged}", err=True)
        known = ""
    username = known or _ask("User name")
    account = new_account(username, checked_password(_ask(f"New password of {username}", hidden=True)))
    if not known:
        _set_aside(files)
    AccountFile(files).save(account)
    click.echo(f"The password of {account.username} is set. Every earlier log-in has ended.")


@auth.command()
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True)
def token(days: float) -> None:
    """Print a token: for COPAW_API_TOKEN on another machine, for scripts, for a metrics collector.

    It may do everything, and ends after these days or with the next change of the password.
    """
    import time

    from copaw.security.tokens import issue_token

    account = _registered(AccountFile(SecretFiles(Paths.from_environment().secret_dir)))
    click.echo(issue_token(account, time.time(), days * _DAY_S))


def _registered(file: AccountFile) -> Account:
    account = file.load()
    if account is None:
        raise NotFound(
            "Nobody is registered. Start the server with COPAW_AUTH_ENABLED=true, COPAW_AUTH_USERNAME and "
            "COPAW_AUTH_PASSWORD, or with the first alone and register in the browser."
        )
    return account


def _ask(what: str, *, hidden: bool = False) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=hidden, confirmation_prompt=hidden, err=True))
    line = sys.stdin.readline()
    if not line:
        raise BadInput(f"{what}: nothing is left on standard input.", field="password" if hidden else "username")
    return line.rstrip("\r\n")


def _set_aside(files: SecretFiles) -> None:
    from copaw.aiokits.files import set_aside

    click.echo(f"The old file is kept as {set_aside(files.path(ACCOUNT_NAME))}.", err=True)
