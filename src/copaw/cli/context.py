"""What every command shares: the root options and the way to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from copaw.cli.client import Client


@dataclass(frozen=True, slots=True)
class Root:
    """The options of ``copaw`` itself."""

    host: str | None = None
    port: int | None = None

    def client(self, base_url: str | None = None, *, agent_id: str | None = None, timeout_s: float = 30.0) -> Client:
        """A client for the server meant by ``--base-url``, ``--host/--port`` or its last start.

        :param timeout_s: for one call; see :class:`copaw.cli.transport.Transport`.
        """
        from copaw.cli.address import resolve
        from copaw.cli.client import Client
        from copaw.cli.credentials import token_for
        from copaw.cli.transport import Transport
        from copaw.paths import Paths

        paths = Paths.from_environment()
        address = resolve(base_url, self.host, self.port, paths)
        token = token_for(address, paths)
        return Client(Transport(address, agent_id=agent_id, timeout_s=timeout_s, token=token))

    def running(self, *, agent_id: str | None = None) -> Client | None:
        """A client for the running server, or ``None`` if none answers and ``--host`` and ``--port`` name none.

        :raises NoServer: they name one, and it does not answer.
        :raises CopawError: something else than a copaw server answers there, or a server that is not well.
        """
        from copaw.cli.home_lock import server_runs
        from copaw.cli.transport import NoServer, ServerRefused, ServerSilent
        from copaw.paths import Paths

        client = self.client(agent_id=agent_id)
        named = bool(self.host or self.port)
        try:
            client.http.call("GET", "/healthz")
        except NoServer:
            if named:
                raise
            return None
        except (ServerRefused, ServerSilent):
            # Another program may have the port where a server is looked for.
            if named or server_runs(Paths.from_environment()):
                raise
            return None
        return client
