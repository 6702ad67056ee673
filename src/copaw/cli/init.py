"""``copaw init``: make the working directory and its first agent."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from copaw.cli.context import Root

LANGUAGES = ("en", "zh")

SECURITY_NOTICE = """\
Before you go on: agents act with your rights.
An agent can run shell commands, read and write files and open web pages as the user who starts copaw.
What it reads (mail, web pages, documents) may try to talk it into something, and nothing filters what it does.
Do not run copaw as root, give agents only the accounts they need, and do not open its port to a network you do
not trust."""


@click.command()
@click.option("--force", is_flag=True, help="Make it anew even if there is one.")
@click.option("--defaults", "use_defaults", is_flag=True, help="Ask nothing.")
@click.option("--accept-security", is_flag=True, help="Skip the question about the security notice.")
@click.pass_obj
def init(root: Root, force: bool, use_defaults: bool, accept_security: bool) -> None:
    """Make the working directory and its first agent."""
    from copaw.cli.home_lock import exclusive
    from copaw.config.home import home_exists, make_home
    from copaw.paths import Paths

    paths = Paths.from_environment()
    if home_exists(paths) and not force:
        click.echo(f"{paths.working_dir} is set up already and was left alone; --force makes it anew.")
        _say_next()
        return
    if not accept_security:
        click.echo(SECURITY_NOTICE + "\n")
        if not use_defaults:
            click.confirm("Go on?", abort=True)
    language = user_language(os.environ)
    if not use_defaults:
        language = click.prompt("Language of the agent's files", type=click.Choice(LANGUAGES), default=language)
    with exclusive(paths):
        made = make_home(paths, language=language, force=force)
    for path in made:
        click.echo(f"made {path}")
    if not use_defaults and click.confirm("Choose a model now? (Without one, agents use the offline demo.)"):
        from copaw.cli.model_dialog import configure
        from copaw.cli.model_settings import open_settings

        configure(open_settings(root))
    _say_next()


def user_language(environ: Mapping[str, str]) -> str:
    """``zh`` for a Chinese locale, else ``en``."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"


def _say_next() -> None:
    click.echo("\nNext:\n  copaw models config   choose the model\n  copaw app             start the server")
