"""Saying it loudly when a server is open to the network."""

from __future__ import annotations

import ipaddress
import logging

import click

from copaw.security.settings import AuthSettings

logger = logging.getLogger(__name__)


def warn_if_exposed(host: str, port: int, settings: AuthSettings) -> None:
    """Warn on stderr and in the log if others than this machine reach the server and need no password.

    :param host: the address that is listened on.
    """
    if settings.enabled or is_loopback(host):
        return
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    rule = "!" * 78
    click.echo(
        f"{rule}\n"
        f"WARNING: this server listens on {where} and asks nobody for a password.\n"
        "Whoever reaches it over the network can run commands as you, read and change\n"
        "your files and your agents, and use the model keys and accounts they have.\n"
        "Stop it, and start it again\n"
        "  with COPAW_AUTH_ENABLED=true, so that one has to log in, or\n"
        "  with --host 127.0.0.1, for this machine alone.\n"
        f"{rule}",
        err=True,
    )
    logger.warning("open to the network: listens on %s without log-in; COPAW_AUTH_ENABLED=true switches it on", where)


def is_loopback(host: str) -> bool:
    """Whether an address is of loopback. Names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
