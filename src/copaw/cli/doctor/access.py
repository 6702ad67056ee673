"""Who can use the server: the account, and whether the network can without one."""

from __future__ import annotations

from collections.abc import Iterator

from copaw.cli.address import last_api
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.exposure import is_loopback
from copaw.config.secrets import SecretFiles
from copaw.errors import ConfigFileError
from copaw.security.account import AccountFile

CHECK = "access"


def check_account(subject: Subject) -> Iterator[Finding]:
    """The account can be read, if there is one."""
    try:
        account = AccountFile(SecretFiles(subject.paths.secret_dir)).load()
    except ConfigFileError as error:
        yield Finding(CHECK, Level.ERROR, error.message, "copaw auth reset-password")
        return
    if account is not None:
        yield Finding(CHECK, Level.OK, f"{account.username} can log in.")


def check_network(subject: Subject) -> Iterator[Finding]:
    """A server that others than this machine reach asks for a password."""
    listened = last_api(subject.paths)
    if subject.client is None or not subject.held or listened is None:
        return
    host, port = listened
    if subject.client.http.call("GET", "/api/auth/status").get("enabled"):
        yield Finding(CHECK, Level.OK, "The server asks for a password.")
    elif is_loopback(host):
        yield Finding(CHECK, Level.OK, "Only this machine reaches the server, and needs no password.")
    else:
        what = f"The server listens on {host} port {port}, open to the network, and asks nobody for a password."
        yield Finding(CHECK, Level.WARN, what, "copaw shutdown && COPAW_AUTH_ENABLED=true copaw app")
