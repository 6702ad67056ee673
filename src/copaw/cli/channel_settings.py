"""The channel sections of one agent: over the running server, or in its agent.json while none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar
from urllib.parse import quote

import click

from copaw.cli.client import Client
from copaw.cli.context import Root
from copaw.cli.home_lock import SILENT, exclusive
from copaw.cli.transport import ServerRefused
from copaw.config.store import ConfigStore
from copaw.errors import NotFound
from copaw.paths import Paths
from copaw.ports import Json

SECTIONS = "/api/config/channels"
T = TypeVar("T")


class ChannelSettings(Protocol):
    """What can be done to the channels of an agent."""

    @property
    def live(self) -> bool:
        """Whether a running server is asked."""
        ...

    def sections(self) -> dict[str, Json]:
        """Every channel by name; ``isBuiltin`` tells built-in ones apart."""
        ...

    def update(self, name: str, changes: Json) -> None:
        """Change fields of a channel, or add one. :raises CopawError: the result is not valid."""
        ...

    def remove(self, name: str) -> bool:
        """Forget a custom channel; ``False`` if the agent has none of that name."""
        ...

    def status(self) -> Json | None:
        """``{"channels", "problems"}`` as they are now; ``None`` without a server."""
        ...

    def agent_ids(self) -> list[str]:
        """Every agent there is."""
        ...

    def of(self, agent_id: str) -> ChannelSettings:
        """The same of another agent."""
        ...

    def reload(self) -> None:
        """Let the agent take up changed files; without a server it will at its start."""
        ...


def open_settings(root: Root, agent_id: str) -> ChannelSettings:
    """The server's settings if one answers; else the files, unless a server was named."""
    client = root.running(agent_id=agent_id)
    if client is not None:
        return ServerChannels(root, client, agent_id)
    paths = Paths.from_environment()
    click.echo(f"No server is running; using the files in {paths.working_dir}.", err=True)
    return FileChannels(paths, agent_id)


class ServerChannels:
    """The channels of an agent of a running server, which connects and disconnects them at once."""

    live = True

    def __init__(self, root: Root, client: Client, agent_id: str) -> None:
        self._root = root
        self._client = client
        self._agent_id = agent_id

    def sections(self) -> dict[str, Json]:
        answer: dict[str, Json] = self._client.http.call("GET", SECTIONS)
        return answer

    def update(self, name: str, changes: Json) -> None:
        self._client.http.call("PUT", SECTIONS, body={name: changes})

    def remove(self, name: str) -> bool:
        try:
            self._client.http.call("DELETE", f"{SECTIONS}/{quote(name, safe='')}")
        except ServerRefused as refused:
            if refused.status != 404:
                raise
            return False
        return True

    def status(self) -> Json | None:
        answer: Json = self._client.http.call("GET", "/api/channels/status")
        return answer

    def agent_ids(self) -> list[str]:
        return [agent["id"] for agent in self._client.agents()["agents"]]

    def of(self, agent_id: str) -> ServerChannels:
        return ServerChannels(self._root, self._root.client(agent_id=agent_id), agent_id)

    def reload(self) -> None:
        self._client.reload(self._agent_id, wait=False, timeout_s=30.0)


class FileChannels:
    """The channels of an agent whose server is not running. No server starts during a change."""

    live = False

    def __init__(self, paths: Paths, agent_id: str) -> None:
        self._paths = paths
        self._agent_id = agent_id

    def sections(self) -> dict[str, Json]:
        from copaw.app.channel_settings import channels_of, listed

        async def read(config: ConfigStore) -> dict[str, Json]:
            return listed(channels_of(config.agent(self._agent_id)))

        return self._with_store(read)

    def update(self, name: str, changes: Json) -> None:
        from copaw.app.channel_settings import update_channels

        with exclusive(self._paths, otherwise=SILENT):
            self._with_store(lambda config: update_channels(config, self._agent_id, {name: changes}))

    def remove(self, name: str) -> bool:
        from copaw.app.channel_settings import remove_channel

        with exclusive(self._paths, otherwise=SILENT):
            try:
                self._with_store(lambda config: remove_channel(config, self._agent_id, name))
            except NotFound:
                return False
        return True

    def status(self) -> None:
        return None

    def agent_ids(self) -> list[str]:
        async def read(config: ConfigStore) -> list[str]:
            return config.agent_ids()

        return self._with_store(read)

    def of(self, agent_id: str) -> FileChannels:
        return FileChannels(self._paths, agent_id)

    def reload(self) -> None:
        return

    def _with_store(self, work: Callable[[ConfigStore], Awaitable[T]]) -> T:
        async def run() -> T:
            config = ConfigStore(self._paths)
            await config.load()
            return await work(config)

        return asyncio.run(run())
