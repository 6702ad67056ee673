"""Entry point of the ``copaw`` command. Importing it must stay cheap: only click, the table and the paths."""

from __future__ import annotations

import click

from copaw import __version__
from copaw.cli.context import Root
from copaw.cli.lazy import Entry, LazyGroup

_AGENTS = "copaw.cli.agents:agents"
_CHANNELS = "copaw.cli.channels:channels"
_CHATS = "copaw.cli.chats:chats"

COMMANDS = {
    "agent": Entry(_AGENTS, "The same as 'agents'.", hidden=True),
    "agents": Entry(_AGENTS, "List agents, talk to them, see and renew what they run on."),
    "app": Entry("copaw.cli.app:app", "Run the server."),
    "auth": Entry("copaw.cli.auth:auth", "Reset the password, make tokens for use elsewhere."),
    "channel": Entry(_CHANNELS, "The same as 'channels'.", hidden=True),
    "channels": Entry(_CHANNELS, "List, set up, add and remove channels; send through them."),
    "chat": Entry(_CHATS, "The same as 'chats'.", hidden=True),
    "chats": Entry(_CHATS, "List, show, create, rename and delete chats."),
    "clean": Entry("copaw.cli.clean:clean", "Empty the working directory, or remove leftovers."),
    "completion": Entry("copaw.cli.completion:completion", "Print a script that completes commands in a shell."),
    "cron": Entry("copaw.cli.cron:cron", "Make, list, pause, run and delete scheduled jobs."),
    "daemon": Entry("copaw.cli.daemon:daemon", "See how an agent is, reload it, read the log."),
    "desktop": Entry("copaw.cli.absent:desktop", "Run the server in a window. Not available in this version."),
    "doctor": Entry("copaw.cli.doctor.command:doctor", "Find out what is not well, and how to mend it."),
    "drill": Entry("copaw.cli.drill.command:drill", "Prove that changing settings does not end running work."),
    "env": Entry("copaw.cli.env:env", "List, set and delete variables for shell commands and MCP servers."),
    "init": Entry("copaw.cli.init:init", "Make the working directory and its first agent."),
    "mcp": Entry("copaw.cli.mcp:mcp", "See and renew MCP servers; offer this server's agents to MCP clients."),
    "models": Entry("copaw.cli.models:models", "Choose the model; manage providers, keys and models."),
    "plugin": Entry("copaw.cli.absent:plugin", "Plugins. Not available in this version."),
    "shutdown": Entry("copaw.cli.shutdown:shutdown", "End the running server; running work is drained first."),
    "skills": Entry("copaw.cli.absent:skills", "Skills of an agent. Not available in this version."),
    "task": Entry("copaw.cli.task:task", "Run one instruction without a running server."),
    "tasks": Entry("copaw.cli.tasks:tasks", "List, show, wait for, cancel and retry background tasks."),
    "uninstall": Entry("copaw.cli.uninstall:uninstall", "Remove copaw and, if wanted, all that it keeps."),
    "update": Entry("copaw.cli.update:update", "Install the newest version, the way this one was installed."),
    "version": Entry("copaw.cli.version:version", "Print the version number."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First time here? Run 'copaw init', then 'copaw app'. Something is wrong? Run 'copaw doctor'.",
)
@click.version_option(__version__, prog_name="copaw")
@click.option("--host", help="Server to talk to; default: where it was last started.")
@click.option("--port", type=int, help="Its port.")
@click.pass_context
def cli(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Personal AI agents on your own machine."""
    ctx.obj = Root(host=host, port=port)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage."""
    cli(prog_name="copaw")
