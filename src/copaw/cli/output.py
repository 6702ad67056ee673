"""How results are printed."""

from __future__ import annotations

import json
import sys

import click


def print_json(document: object) -> None:
    """Indented JSON on stdout, non-ASCII characters as they are."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


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
