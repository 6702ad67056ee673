"""``copaw chats``: the conversations of an agent. Results are JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from copaw.cli.context import Root
from copaw.cli.output import note_without_effect, print_json
from copaw.errors import BadInput
from copaw.ports import Json

_F = TypeVar("_F", bound=Callable[..., Any])


def _server_options(function: _F) -> _F:
    agent = click.option("--agent-id", default="default", show_default=True, help="Whose chats.")
    server = click.option("--base-url", help="Address of the server, such as http://127.0.0.1:8088.")
    return server(agent(function))


@click.group()
def chats() -> None:
    """List, show, create, rename and delete chats."""


@chats.command("list")
@click.option("--user-id", help="Only this user's.")
@click.option("--channel", help="Only this channel's.")
@_server_options
@click.pass_obj
def list_chats(root: Root, user_id: str | None, channel: str | None, base_url: str | None, agent_id: str) -> None:
    """Print the chats."""
    print_json(root.client(base_url, agent_id=agent_id).chats(user_id, channel))


@chats.command()
@click.argument("chat_id")
@_server_options
@click.pass_obj
def get(root: Root, chat_id: str, base_url: str | None, agent_id: str) -> None:
    """Print a chat's messages and status."""
    print_json(root.client(base_url, agent_id=agent_id).chat(chat_id))


@chats.command()
@click.option("-f", "--file", "file_", type=click.Path(exists=True, dir_okay=False), help="The chat as a JSON file.")
@click.option("--name", default="New Chat", show_default=True)
@click.option("--session-id", help="Required without --file.")
@click.option("--user-id", help="Required without --file.")
@click.option("--channel", default="console", show_default=True)
@_server_options
@click.pass_obj
def create(
    root: Root,
    file_: str | None,
    name: str,
    session_id: str | None,
    user_id: str | None,
    channel: str,
    base_url: str | None,
    agent_id: str,
) -> None:
    """Make a chat, from a file or from options."""
    if file_:
        note_without_effect("--file", "file_", "base_url", "agent_id")
        spec = _read_spec(Path(file_))
    else:
        given = {"--session-id": session_id, "--user-id": user_id}
        missing = [option for option, value in given.items() if not value]
        if missing:
            raise click.UsageError(f"Missing {' and '.join(missing)} (or give the whole chat with --file).")
        spec = {"name": name, "session_id": session_id, "user_id": user_id, "channel": channel}
    print_json(root.client(base_url, agent_id=agent_id).create_chat(spec))


@chats.command()
@click.argument("chat_id")
@click.option("--name", required=True, help="The new name.")
@_server_options
@click.pass_obj
def update(root: Root, chat_id: str, name: str, base_url: str | None, agent_id: str) -> None:
    """Rename a chat."""
    print_json(root.client(base_url, agent_id=agent_id).rename_chat(chat_id, name))


@chats.command()
@click.argument("chat_id")
@_server_options
@click.pass_obj
def delete(root: Root, chat_id: str, base_url: str | None, agent_id: str) -> None:
    """Delete a chat."""
    print_json(root.client(base_url, agent_id=agent_id).delete_chat(chat_id))


def _read_spec(file: Path) -> Json:
    try:
        spec = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--file {file} is not a JSON file: {error}.", field="file") from error
    if not isinstance(spec, dict):
        raise BadInput(f"--file {file} must hold one JSON object.", field="file")
    return spec
