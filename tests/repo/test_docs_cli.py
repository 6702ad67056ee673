"""``docs/cli.md`` is what the commands say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from copaw.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_the_page_is_up_to_date() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "gen_cli_docs.py"), "--check"]
    result = subprocess.run(script, capture_output=True, text=True, timeout=50, check=False)
    assert result.returncode == 0, result.stderr


def test_every_command_that_help_shows_has_a_section() -> None:
    missing = [name for name, entry in cli.table.items() if not entry.hidden and f"## `copaw {name}`" not in PAGE]
    assert missing == []


def test_every_command_of_a_group_has_a_section() -> None:
    context = click.Context(cli)
    groups = {name: cli.get_command(context, name) for name, entry in cli.table.items() if not entry.hidden}
    paths = [
        f"copaw {name} {sub}"
        for name, group in groups.items()
        if isinstance(group, click.Group)
        for sub in group.commands
    ]
    assert [path for path in paths if f"## `{path}`" not in PAGE] == []
    assert "copaw agents status" in paths
