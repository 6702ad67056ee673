"""``copaw shutdown``: end the running server, which drains first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import click

from copaw.cli.client import Client
from copaw.cli.context import Root
from copaw.cli.home_lock import server_runs
from copaw.cli.transport import NoServer, ServerRefused, ServerSilent, Transport
from copaw.config.secrets import SecretFiles
from copaw.errors import CopawError, Forbidden
from copaw.paths import Paths
from copaw.security.local_token import known_local_token

LOOK_INTERVAL_S = 0.25
LOOK_TIMEOUT_S = 5.0


class StillDraining(CopawError):
    """The server has not ended yet."""

    code = "STILL_DRAINING"


@click.command()
@click.option("--port", type=int, help="Its port; default: where it was last started.")
@click.option("--timeout", type=int, default=300, show_default=True, help="Seconds to wait for its end; 0: none.")
@click.pass_obj
def shutdown(root: Root, port: int | None, timeout: int) -> None:
    """End the running server, and wait for it. Running work is drained first.

    Works on the server's own machine, for whoever may read its secrets. Ctrl-C ends the waiting, not the shutdown.
    """
    if timeout < 0:
        raise click.UsageError("--timeout must not be negative.")
    address = Root(host=root.host, port=port or root.port).client().http.base_url
    # The directory that the server holds, if it is ours, tells its end better than its port does.
    paths = Paths.from_environment()
    held = server_runs(paths)
    client = ask_to_end(address, SecretFiles(paths.secret_dir))
    click.echo("The server drains; new work is refused.")
    if timeout:
        wait(_running(client, (lambda: server_runs(paths)) if held else lambda: False), timeout)


def ask_to_end(base_url: str, secrets: SecretFiles) -> Client:
    """Send the request with the local token; a client that shows the same.

    :raises NoServer: nothing listens there.
    :raises Forbidden: the token is not that of the server.
    """
    # The server makes the token when it is first asked for, so the second attempt may have one.
    for _ in range(2):
        http = Transport(base_url, timeout_s=LOOK_TIMEOUT_S, token=known_local_token(secrets))
        try:
            http.call("POST", "/api/agent/shutdown")
        except ServerRefused as refused:
            if refused.status not in (401, 403):
                raise
        else:
            return Client(http)
    raise Forbidden(
        "The server is not this user's: its secrets are elsewhere. Run this as who started it, with its "
        "COPAW_SECRET_DIR, or send SIGTERM to its process."
    )


def wait(running: Iterator[str], timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Print how it goes on, when that changes, until the end.

    :param running: what is still under way, again and again while the server is there.
    :raises StillDraining: it is there after ``timeout_s`` seconds.
    """
    began, before = clock(), ""
    for now in running:
        if now and now != before:
            click.echo(now)
        before = now or before
        if clock() - began >= timeout_s:
            raise StillDraining(
                f"The server still drains after {timeout_s:g} s and goes on; `copaw agents status` shows what it "
                "waits for."
            )
    click.echo(f"The server has ended after {clock() - began:.1f} s.")


def _running(client: Client, held: Callable[[], bool]) -> Iterator[str]:
    while True:
        try:
            yield under_way(client)
        except NoServer:
            if not held():
                return
            yield ""
        except ServerSilent:
            yield ""
        time.sleep(LOOK_INTERVAL_S)


def under_way(client: Client) -> str:
    """What the server still waits for, in one line."""
    leases = [
        f"{lease.get('kind')} of {document.get('agent_id')}"
        for document in client.lifecycles()
        for generation in document.get("generations") or []
        for lease in generation.get("leases") or []
    ]
    if not leases:
        return "Nothing is under way any more; it is closing."
    return f"Still under way: {len(leases)} ({', '.join(sorted(set(leases)))})"
