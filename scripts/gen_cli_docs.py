"""Write ``docs/cli.md`` from the commands themselves; with ``--check`` only say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from copaw.cli.main import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 100

HEAD = """\
# The command line

This page is written by `make docs` from the commands themselves; do not edit it.

Usage errors exit with status 2, failures with 1 and one sentence on standard error that says what to do next.
`copaw agent`, `channel` and `chat` are other names of `copaw agents`, `channels` and `chats`.

A command that talks to a server finds it in this order: `--base-url`; `--host` and `--port`, given before the
command; where the server last listened, which it leaves in `runtime.json` of the working directory; and
`127.0.0.1:8088`.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The path and the help text of ``command`` and of everything below it; aliases are left out."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        seen: set[click.Command] = set()
        for name in reversed(command.list_commands(context)):
            child = command.get_command(context, name)
            # Of two names of one command the plural comes last and is the one to keep.
            if child is None or child.hidden or child in seen:
                continue
            seen.add(child)
        for child in sorted(seen, key=lambda found: found.name or ""):
            yield from commands(child, _context(child, child.name or "", context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, **command.context_settings}
    return click.Context(command, parent=parent, info_name=name, **settings)


def render() -> str:
    """The whole page."""
    sections = [HEAD]
    for path, text in commands(cli, _context(cli, "copaw", None)):
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        sections.append(f"## `{path}`\n\n```text\n{lines}\n```\n")
    return "\n".join(sections)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if the page is out of date")
    wanted = render()
    if parser.parse_args().check:
        if not PAGE.is_file() or PAGE.read_text("utf-8") != wanted:
            print("docs/cli.md is out of date: run `make docs`.", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
