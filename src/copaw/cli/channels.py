"""``copaw channels``: the ways to talk with an agent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from copaw.cli.context import Root
from copaw.cli.output import print_json
from copaw.paths import Paths
from copaw.ports import Json

if TYPE_CHECKING:
    from copaw.cli.channel_settings import ChannelSettings

_agent = click.option("--agent-id", default="default", show_default=True, help="Whose channels.")
_path = click.option("--path", "from_path", type=click.Path(), help="A Python file, or the directory of a package.")
_url = click.option("--url", "from_url", help="The http(s) address of a Python file.")


@click.group()
def channels() -> None:
    """List, set up, add and remove channels, and send through them.

    Talks to the running server; with none running, changes the files it will read at its start.
    """


@channels.command("list")
@_agent
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_channels(root: Root, agent_id: str, as_json: bool) -> None:
    """Show the channels and, if a server is running, how each of them is."""
    from copaw.cli.channel_settings import open_settings

    settings = open_settings(root, agent_id)
    rows = _rows(settings)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        kind = "" if row["builtin"] else "  custom"
        problem = f"  {row['error']}" if row["error"] else ""
        click.echo(f"{row['channel']:<16} {'on' if row['enabled'] else 'off':<4} {row['state'] or '-'}{kind}{problem}")
    for problem in (settings.status() or {}).get("problems", []):
        click.echo(f"Problem: {problem}", err=True)


def _rows(settings: ChannelSettings) -> list[Json]:
    status = settings.status()
    live = {one["channel"]: one for one in status["channels"]} if status else {}
    return [
        {
            "channel": name,
            "enabled": bool(section.get("enabled")),
            "builtin": bool(section.get("isBuiltin")),
            "state": live.get(name, {}).get("state") or ("off" if status else None),
            "error": live.get(name, {}).get("error"),
        }
        for name, section in settings.sections().items()
    ]


@channels.command()
@click.option("--agent-id", required=True, help="Whose channel.")
@click.option("--channel", required=True, help="Which channel, such as console.")
@click.option("--target-user", required=True, help="Who gets it.")
@click.option("--target-session", required=True, help="In which session.")
@click.option("--text", required=True, help="What is sent.")
@click.option("--base-url", help="Address of the server, such as http://127.0.0.1:8088.")
@click.pass_obj
def send(
    root: Root, agent_id: str, channel: str, target_user: str, target_session: str, text: str, base_url: str | None
) -> None:
    """Send a text through a channel, without a run. Prints the answer as JSON."""
    body = {"channel": channel, "target_user": target_user, "target_session": target_session, "text": text}
    print_json(root.client(base_url, agent_id=agent_id).http.call("POST", "/api/messages/send", body=body))


@channels.command()
@_agent
@click.pass_obj
def config(root: Root, agent_id: str) -> None:
    """Set up channels, question by question."""
    from copaw.cli.channel_dialog import choose_and_edit
    from copaw.cli.channel_files import is_there
    from copaw.cli.channel_settings import open_settings

    choose_and_edit(open_settings(root, agent_id), partial(is_there, Paths.from_environment()))


@channels.command()
@click.argument("key")
@_path
@_url
@click.pass_obj
def install(root: Root, key: str, from_path: str | None, from_url: str | None) -> None:
    """Put a custom channel into place, without using it yet. With neither --path nor --url, a beginning of one.

    KEY is the name of its section in the settings, and what its class gives as "channel". Its code runs inside the
    server with all its rights.
    """
    from copaw.cli.channel_settings import open_settings

    settings = open_settings(root, "default")
    _check_same_home(settings)
    _install(key, from_path, from_url)
    _reload_those_with(settings, key)
    click.echo(f"To use it: copaw channels add {key}")


@channels.command()
@click.argument("key")
@_path
@_url
@click.option("--configure/--no-configure", default=True, show_default=True, help="Ask for its settings.")
@_agent
@click.pass_obj
def add(root: Root, key: str, from_path: str | None, from_url: str | None, configure: bool, agent_id: str) -> None:
    """Give an agent a channel, putting a custom one into place first.

    KEY is that of a channel that comes with copaw, or of a custom one; see 'copaw channels install'.
    """
    from copaw.app.channels.registry import BUILTIN
    from copaw.cli.channel_dialog import edit
    from copaw.cli.channel_files import find
    from copaw.cli.channel_settings import open_settings

    settings = open_settings(root, agent_id)
    known = settings.sections()
    if key not in BUILTIN:
        _check_same_home(settings)
        if from_path or from_url or not find(Paths.from_environment(), key):
            _install(key, from_path, from_url)
    elif from_path or from_url:
        raise click.UsageError(f"Channel {key} comes with copaw; leave out --path and --url.")
    # Switched on only when it has its settings, if it is asked for them.
    if key not in known or not configure:
        settings.update(key, {"enabled": not configure})
    if configure:
        edit(settings, key, switch_on=True)
    else:
        click.echo(f"Channel {key} is switched on for {agent_id}.")


@channels.command()
@click.argument("key")
@click.option("--keep-config/--no-keep-config", default=False, show_default=True, help="Keep its settings.")
@click.pass_obj
def remove(root: Root, key: str, keep_config: bool) -> None:
    """Remove a custom channel, and its settings from every agent that is not disabled."""
    from copaw.cli import channel_files
    from copaw.cli.channel_settings import open_settings
    from copaw.errors import NotFound

    channel_files.check_key(key)
    paths = Paths.from_environment()
    settings = open_settings(root, "default")
    _check_same_home(settings)
    removed = channel_files.remove(paths, key)
    for path in removed:
        click.echo(f"removed {path}")
    if keep_config:
        _reload_those_with(settings, key)
    had = [] if keep_config else _forget(settings, key)
    if not removed and not had:
        raise NotFound(f"There is no custom channel '{key}' in {channel_files.directory(paths)}.")


def _forget(settings: ChannelSettings, key: str) -> list[str]:
    """Remove its settings; the agents that had some. Those of a channel that copaw knows are only switched off."""
    changed = []
    for agent_id, agent, sections in _agents(settings):
        section = sections.get(key)
        if section is None or (section.get("isBuiltin") and not section.get("enabled")):
            continue
        if section.get("isBuiltin"):
            agent.update(key, {"enabled": False})
        else:
            agent.remove(key)
        click.echo(f"removed its settings from agent {agent_id}")
        changed.append(agent_id)
    return changed


def _reload_those_with(settings: ChannelSettings, key: str) -> None:
    for _, agent, sections in _agents(settings):
        if sections.get(key, {}).get("enabled"):
            agent.reload()


def _agents(settings: ChannelSettings) -> Iterator[tuple[str, ChannelSettings, dict[str, Json]]]:
    """Every agent with its channel sections. One whose settings cannot be read is told and left out."""
    from copaw.errors import CopawError

    for agent_id in settings.agent_ids():
        agent = settings.of(agent_id)
        try:
            sections = agent.sections()
        except CopawError as error:
            click.echo(f"Left as it is: agent {agent_id}: {error.message}", err=True)
            continue
        yield agent_id, agent, sections


def _install(key: str, from_path: str | None, from_url: str | None) -> None:
    from copaw.cli import channel_files
    from copaw.cli.fetch import fetch

    if from_path and from_url:
        raise click.UsageError("Give --path or --url, not both.")
    channel_files.check_key(key)
    paths = Paths.from_environment()
    if from_path:
        made = channel_files.install_path(paths, key, Path(from_path).expanduser())
    elif from_url:
        source = fetch(from_url, channel_files.MAX_FILE_BYTES)
        made = channel_files.install_source(paths, key, source, from_url)
    else:
        made = channel_files.install_source(paths, key, channel_files.template(key), "the beginning of a channel")
    click.echo(f"made {made}")


def _check_same_home(settings: ChannelSettings) -> None:
    """The files of custom channels are changed here, so the server that is asked must read them here."""
    from copaw.cli.home_lock import server_runs

    paths = Paths.from_environment()
    if settings.live and not server_runs(paths):
        raise click.ClickException(
            f"The server that answers does not use {paths.working_dir}. Run this where it runs, with its "
            "COPAW_WORKING_DIR."
        )
