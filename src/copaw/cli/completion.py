"""``copaw completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

_VARIABLE = "_COPAW_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands and options. Load it where the shell starts:

    \b
    bash, in ~/.bashrc:                   eval "$(copaw completion bash)"
    zsh, in ~/.zshrc, after compinit:     eval "$(copaw completion zsh)"
    fish, in ~/.config/fish/config.fish:  copaw completion fish | source
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click knows every shell of the choice"
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "copaw", _VARIABLE).source())
