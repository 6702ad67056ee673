"""Questions about the settings of a channel, one a field. Secrets are neither shown nor echoed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import click

from copaw.cli.channel_settings import ChannelSettings
from copaw.errors import CopawError
from copaw.ports import Json

_SECRET = re.compile(r"(.*(token|secret|password|auth|_key)|[as]k)$")
_COMMON = (
    "bot_prefix",
    "filter_tool_messages",
    "filter_thinking",
    "dm_policy",
    "group_policy",
    "allow_from",
    "deny_message",
    "require_mention",
)
_EMPTY = "-"


def choose_and_edit(settings: ChannelSettings, is_there: Callable[[str], bool]) -> None:
    """Let the user edit one channel after the other, until Enter.

    :param is_there: whether there is such a channel, beside its settings.
    """
    while True:
        sections = settings.sections()
        for name, section in sections.items():
            missing = "" if is_there(name) else "   (settings only: this version has no such channel)"
            click.echo(f"  {name:<16} {'on' if section.get('enabled') else 'off':<3}{missing}".rstrip())
        chosen = click.prompt(
            "Channel (Enter ends)",
            default="",
            show_default=False,
            type=click.Choice(["", *sections]),
            show_choices=False,
        )
        if not chosen:
            return
        edit(settings, chosen)


def edit(settings: ChannelSettings, name: str, *, switch_on: bool = False) -> None:
    """Ask for the fields of one channel and save what changed; again when the result is not valid.

    :param switch_on: propose to switch it on.
    """
    while True:
        section = settings.sections()[name]
        changes = ask(section, switch_on=switch_on)
        if not changes:
            click.echo(f"Nothing changed in {name}.")
            return
        try:
            settings.update(name, changes)
        except CopawError as error:
            click.echo(f"Not saved: {error.message}", err=True)
            click.confirm("Try again?", default=True, abort=True)
            continue
        click.echo(f"The settings of {name} are saved.")
        return


def ask(section: Json, *, switch_on: bool = False) -> Json:
    """What the user wants to change; a channel that is to be off is asked nothing more."""
    enabled = click.confirm("Switch it on?", default=switch_on or bool(section.get("enabled")))
    changes: Json = {} if enabled == section.get("enabled") else {"enabled": enabled}
    if not enabled:
        return changes
    own = [name for name in section if name not in ("enabled", "isBuiltin", *_COMMON)]
    if own:
        click.echo(f"Enter keeps the present value; {_EMPTY} empties it.")
    changes |= _ask_fields(section, own)
    if not section.get("isBuiltin"):
        changes |= _ask_further()
    common = [name for name in _COMMON if name in section]
    if common and click.confirm("Also change who may write and what is shown?", default=False):
        changes |= _ask_fields(section, common)
    return changes


def _ask_fields(section: Json, names: list[str]) -> Json:
    answers = {name: _ask_field(name, section[name]) for name in names if not isinstance(section[name], dict)}
    return {name: value for name, value in answers.items() if value != section[name]}


def _ask_further() -> Json:
    """Settings of a custom channel that nobody but its author knows."""
    answers: Json = {}
    while name := click.prompt("Another setting of it (Enter: none)", default="", show_default=False):
        text = click.prompt(f"  {name}", hide_input=bool(_SECRET.fullmatch(name)))
        try:
            answers[name] = json.loads(text)
        except ValueError:
            answers[name] = text
    return answers


def _ask_field(name: str, present: object) -> object:
    if isinstance(present, bool):
        return click.confirm(f"  {name}", default=present)
    if isinstance(present, int | float):
        return click.prompt(f"  {name}", default=present, type=type(present))
    if isinstance(present, list):
        text = _ask_text(f"{name} (separated by commas)", ", ".join(str(one) for one in present))
        return [part.strip() for part in text.split(",") if part.strip()]
    if _SECRET.fullmatch(name) and present:
        typed: str = click.prompt(f"  {name} (is set)", default="", show_default=False, hide_input=True)
        return {"": present, _EMPTY: ""}.get(typed, typed)
    text = _ask_text(name, "" if present is None else str(present), hidden=bool(_SECRET.fullmatch(name)))
    # What has no value yet stays without one, and does not become an empty text.
    return None if present is None and not text else text


def _ask_text(label: str, present: str, *, hidden: bool = False) -> str:
    typed: str = click.prompt(f"  {label}", default=present, show_default=bool(present), hide_input=hidden)
    return "" if typed == _EMPTY else typed
