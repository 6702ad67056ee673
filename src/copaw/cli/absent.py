"""Commands of 1.0.2 that this version does not have: each says so, and what to do instead."""

from __future__ import annotations

from typing import NoReturn

import click

from copaw.errors import NotImplementedHere

SKILLS = (
    "Skills are not available in this version; write lasting instructions into AGENTS.md of the agent's workspace, and "
    "add tools with an MCP server."
)
PLUGINS = (
    "Plugins are not available in this version; add tools with an MCP server, and channels with `copaw channels add`."
)
LOCAL_MODELS = (
    "This version neither downloads nor runs models itself; run one with Ollama or LM Studio and choose it with "
    "`copaw models config`."
)
DESKTOP = "This version has no desktop window; run `copaw app` and open the address it prints in a browser."
_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"]

_agent = click.option("--agent-id", default="default", show_default=True, help="Which agent.")


def _refuse(sentence: str) -> NoReturn:
    raise NotImplementedHere(sentence)


@click.group()
def skills() -> None:
    """Skills of an agent. Not available in this version."""


@skills.command("list")
@_agent
def list_skills(agent_id: str) -> None:
    """List skills. Not available in this version."""
    _refuse(SKILLS)


@skills.command("config")
@_agent
def config_skills(agent_id: str) -> None:
    """Choose skills. Not available in this version."""
    _refuse(SKILLS)


@click.group()
def plugin() -> None:
    """Plugins. Not available in this version."""


@plugin.command("list")
def list_plugins() -> None:
    """List plugins. Not available in this version."""
    _refuse(PLUGINS)


@plugin.command()
@click.argument("plugin_id")
def info(plugin_id: str) -> None:
    """Show a plugin. Not available in this version."""
    _refuse(PLUGINS)


@plugin.command()
@click.argument("source")
@click.option("--force", is_flag=True, help="Replace it if it is there.")
def install(source: str, force: bool) -> None:
    """Install a plugin. Not available in this version."""
    _refuse(PLUGINS)


@plugin.command()
@click.argument("plugin_id")
def uninstall(plugin_id: str) -> None:
    """Remove a plugin. Not available in this version."""
    _refuse(PLUGINS)


@plugin.command()
@click.argument("path")
def validate(path: str) -> None:
    """Check a plugin. Not available in this version."""
    _refuse(PLUGINS)


@click.command()
@click.argument("repo_id")
@click.option("--file", "-f", "filename", help="Which file of it.")
@click.option(
    "--source", "-s", type=click.Choice(["huggingface", "modelscope"]), default="huggingface", show_default=True
)
def download(repo_id: str, filename: str | None, source: str) -> None:
    """Download a local model. Not available in this version."""
    _refuse(LOCAL_MODELS)


@click.command()
def local() -> None:
    """List local models. Not available in this version."""
    _refuse(LOCAL_MODELS)


@click.command("remove-local")
@click.argument("model_id")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove_local(model_id: str, yes: bool) -> None:
    """Remove a local model. Not available in this version."""
    _refuse(LOCAL_MODELS)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True)
def desktop(host: str, log_level: str) -> None:
    """Run the server in a desktop window. Not available in this version."""
    _refuse(DESKTOP)
