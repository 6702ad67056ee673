"""A click group that imports a command's module only when that command is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from copaw.errors import CopawError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is, and what ``--help`` says of it.

    :param target: ``package.module:attribute``.
    :param help: one line.
    :param hidden: an alias, left out of ``--help``.
    """

    target: str
    help: str
    hidden: bool = False


class LazyGroup(click.Group):
    """A group whose commands are looked up in a table. ``--help`` imports none of them.

    What a command raises of the project's own errors becomes a sentence on stderr and the error's exit status.
    """

    def __init__(self, *args: Any, table: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = dict(table)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = vars(importlib.import_module(module))[attribute]
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, entry.help) for name, entry in sorted(self.table.items()) if not entry.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        shown = [name for name, entry in sorted(self.table.items()) if not entry.hidden]
        names = [CompletionItem(name, help=self.table[name].help) for name in shown if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CopawError as error:
            click.echo(f"Error: {' '.join(error.message.split())}", err=True)
            raise click.exceptions.Exit(error.exit_code) from error
