"""``copaw env``: environment variables for what the server starts, shell commands and MCP servers."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

import click

from copaw.cli.client import Client
from copaw.cli.context import Root
from copaw.cli.output import print_json
from copaw.config.secrets import mask
from copaw.paths import Paths

ENVS = "/api/envs"


@click.group()
def env() -> None:
    """List, set and delete environment variables for shell commands and MCP servers.

    Talks to the running server; with none running, changes the file it will read.
    """


@env.command("list")
@click.option("--show-values", is_flag=True, help="Show whole values; they may be secret.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_variables(root: Root, show_values: bool, as_json: bool) -> None:
    """Show the variables, their values shortened."""
    found = _open(root).load()
    shown = found if show_values else {name: mask(value) for name, value in found.items()}
    if as_json:
        print_json([{"key": name, "value": value} for name, value in shown.items()])
        return
    for name, value in shown.items():
        click.echo(f"{name}={value}")
    if not shown:
        click.echo("There are no variables. Add one with: copaw env set NAME VALUE")


@env.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_variable(root: Root, key: str, value: str) -> None:
    """Set a variable."""
    _open(root).set(key, value)
    click.echo(f"{key} is set.")


@env.command()
@click.argument("key")
@click.pass_obj
def delete(root: Root, key: str) -> None:
    """Delete a variable."""
    _open(root).delete(key)
    click.echo(f"{key} is deleted.")


class Variables(Protocol):
    """Where the variables are; :class:`copaw.config.envs.EnvFile` is one of these."""

    def load(self) -> dict[str, str]: ...

    def set(self, name: str, value: str) -> dict[str, str]: ...

    def delete(self, name: str) -> dict[str, str]: ...


class ServerVariables:
    """Those of the running server, which takes a change up at once."""

    def __init__(self, client: Client) -> None:
        self._http = client.http

    def load(self) -> dict[str, str]:
        return _by_name(self._http.call("GET", ENVS))

    def set(self, name: str, value: str) -> dict[str, str]:
        return _by_name(self._http.call("PUT", ENVS, body={**self.load(), name: value}))

    def delete(self, name: str) -> dict[str, str]:
        return _by_name(self._http.call("DELETE", f"{ENVS}/{quote(name, safe='')}"))


def _by_name(answer: list[dict[str, str]]) -> dict[str, str]:
    return {variable["key"]: variable["value"] for variable in answer}


def _open(root: Root) -> Variables:
    client = root.running()
    if client is not None:
        return ServerVariables(client)
    from copaw.config.envs import EnvFile

    directory = Paths.from_environment().secret_dir
    click.echo(f"No server is running; using the file in {directory}.", err=True)
    return EnvFile(directory)
