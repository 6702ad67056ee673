"""How results are printed."""

from __future__ import annotations

import json
import sys

import click
import click.core


def print_json(document: object) -> None:
    """Indented JSON on stdout, non-ASCII characters as they are."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def note_without_effect(because: str, *used: str) -> None:
    """Say on stderr which options of the present command were typed for nothing.

    :param because: the option that makes them so.
    :param used: names of the parameters that count all the same.
    """
    context = click.get_current_context()
    typed = [
        max(param.opts, key=len)
        for param in context.command.params
        if param.name not in (None, *used)
        and context.get_parameter_source(str(param.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if typed:
        click.echo(f"Note: without effect because of {because}: {', '.join(typed)}.", err=True)


def on_terminal() -> bool:
    """Is stdout a terminal that can be redrawn?"""
    return sys.stdout.isatty()


def seconds(value: object) -> str:
    """A duration for people: ``4.1 s``, ``3 min 2 s``, ``2 h 5 min``; ``-`` when it is not a number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "-"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size_text(size_bytes: float) -> str:
    """A size for people: ``812 B``, ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def count(number: int, noun: str) -> str:
    """``1 agent``, ``2 agents``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
