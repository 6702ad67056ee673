"""Provider settings: over the running server, or in the files that it will read at its start."""

from __future__ import annotations

from typing import Protocol

import click

from copaw.cli.context import Root
from copaw.cli.home_lock import check_nobody_runs
from copaw.paths import Paths
from copaw.ports import Json


class ModelSettings(Protocol):
    """What can be done to providers; :class:`copaw.cli.client.Client` is one of these."""

    def providers(self) -> list[Json]: ...

    def active_model(self) -> tuple[str, str] | None: ...

    def set_active_model(self, provider_id: str, model: str) -> None: ...

    def configure_provider(self, provider_id: str, changes: Json) -> None: ...

    def add_provider(self, spec: Json) -> None: ...

    def remove_provider(self, provider_id: str) -> None: ...

    def add_model(self, provider_id: str, model_id: str, name: str) -> None: ...

    def remove_model(self, provider_id: str, model_id: str) -> None: ...


def open_settings(root: Root) -> ModelSettings:
    """The server's settings if one answers; else the files, unless a server was named.

    :raises NoServer: ``--host`` or ``--port`` names one that does not answer.
    :raises ServerRuns: one that does not answer has the working directory, and would not notice a change.
    """
    client = root.running()
    if client is not None:
        return client
    paths = Paths.from_environment()
    check_nobody_runs(paths)
    click.echo(f"No server is running; using the files in {paths.secret_dir}.", err=True)
    return LocalSettings(paths)


class LocalSettings:
    """The files of the secret directory, for use while no server owns them."""

    def __init__(self, paths: Paths) -> None:
        from copaw.config.secrets import SecretFiles
        from copaw.providers.store import ProviderStore

        self._store = ProviderStore(SecretFiles(paths.providers_dir))
        self._store.load()

    def providers(self) -> list[Json]:
        return [self._store.public(info).model_dump() for info in self._store.list()]

    def active_model(self) -> tuple[str, str] | None:
        slot = self._store.active()
        return (slot.provider_id, slot.model) if slot else None

    def set_active_model(self, provider_id: str, model: str) -> None:
        self._store.set_active(provider_id, model)

    def configure_provider(self, provider_id: str, changes: Json) -> None:
        self._store.configure(provider_id, **changes)

    def add_provider(self, spec: Json) -> None:
        self._store.add_custom(
            spec["id"], spec["name"], base_url=spec["default_base_url"], api_key_prefix=spec["api_key_prefix"]
        )

    def remove_provider(self, provider_id: str) -> None:
        self._store.remove_custom(provider_id)

    def add_model(self, provider_id: str, model_id: str, name: str) -> None:
        self._store.add_model(provider_id, model_id, name)

    def remove_model(self, provider_id: str, model_id: str) -> None:
        self._store.remove_model(provider_id, model_id)
