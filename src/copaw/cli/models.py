"""``copaw models``: which model answers, and who provides it. Keys are never printed."""

from __future__ import annotations

import click

from copaw.cli.absent import download, local, remove_local
from copaw.cli.context import Root
from copaw.cli.output import print_json

KEY_VARIABLE = "COPAW_PROVIDER_API_KEY"


@click.group()
def models() -> None:
    """Choose the model; manage providers, keys and models.

    Talks to the running server; with none running, changes the files it will read at its start.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_models(root: Root, as_json: bool) -> None:
    """Show providers, their models and the active one."""
    from copaw.cli import model_dialog
    from copaw.cli.model_settings import open_settings

    settings = open_settings(root)
    if as_json:
        active = settings.active_model()
        slot = {"provider_id": active[0], "model": active[1]} if active else None
        providers = [model_dialog.without_key(info) for info in settings.providers()]
        print_json({"active_llm": slot, "providers": providers})
    else:
        model_dialog.show(settings)


@models.command()
@click.pass_obj
def config(root: Root) -> None:
    """Set up a provider and its model, question by question."""
    from copaw.cli import model_dialog
    from copaw.cli.model_settings import open_settings

    model_dialog.configure(open_settings(root))


@models.command("config-key")
@click.argument("provider_id", required=False)
@click.option("--key", envvar=KEY_VARIABLE, show_envvar=True, help="The key; asked for without showing it if absent.")
@click.pass_obj
def config_key(root: Root, provider_id: str | None, key: str | None) -> None:
    """Set the API key of a provider."""
    from copaw.cli import model_dialog
    from copaw.cli.model_settings import open_settings

    settings = open_settings(root)
    provider = provider_id or model_dialog.ask_provider(settings)
    model_dialog.known(settings, provider)
    secret = key or click.prompt(f"API key of {provider}", hide_input=True)
    settings.configure_provider(provider, {"api_key": secret})
    click.echo(f"The key of {provider} is saved.")


@models.command("set-llm")
@click.argument("provider_id", required=False)
@click.argument("model", required=False)
@click.pass_obj
def set_llm(root: Root, provider_id: str | None, model: str | None) -> None:
    """Choose the model of every agent that has none of its own."""
    from copaw.cli import model_dialog
    from copaw.cli.model_settings import open_settings

    settings = open_settings(root)
    provider = provider_id or model_dialog.ask_provider(settings)
    chosen = model or model_dialog.ask_model(settings, provider)
    settings.set_active_model(provider, chosen)
    click.echo(f"The active model is now {chosen} of {provider}.")


@models.command("add-provider")
@click.argument("provider_id")
@click.option("--name", "-n", required=True, help="Shown to people.")
@click.option("--base-url", "-u", default="", help="Its OpenAI-compatible address.")
@click.option("--api-key-prefix", default="", help="How its keys begin.")
@click.pass_obj
def add_provider(root: Root, provider_id: str, name: str, base_url: str, api_key_prefix: str) -> None:
    """Add a provider of your own."""
    from copaw.cli.model_settings import open_settings

    spec = {"id": provider_id, "name": name, "default_base_url": base_url, "api_key_prefix": api_key_prefix}
    open_settings(root).add_provider(spec)
    click.echo(f"Provider {provider_id} is added. Next: copaw models config-key {provider_id}")


@models.command("remove-provider")
@click.argument("provider_id")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove_provider(root: Root, provider_id: str, yes: bool) -> None:
    """Remove a provider of your own, with its key and models."""
    from copaw.cli.model_settings import open_settings

    if not yes:
        click.confirm(f"Remove provider {provider_id} with its key and models?", abort=True)
    open_settings(root).remove_provider(provider_id)
    click.echo(f"Provider {provider_id} is removed.")


@models.command("add-model")
@click.argument("provider_id")
@click.option("--model-id", "-m", required=True, help="The id the provider knows it by.")
@click.option("--model-name", "-n", required=True, help="Shown to people.")
@click.pass_obj
def add_model(root: Root, provider_id: str, model_id: str, model_name: str) -> None:
    """Add a model to a provider."""
    from copaw.cli.model_settings import open_settings

    open_settings(root).add_model(provider_id, model_id, model_name)
    click.echo(f"Model {model_id} is added. To use it: copaw models set-llm {provider_id} {model_id}")


@models.command("remove-model")
@click.argument("provider_id")
@click.option("--model-id", "-m", required=True)
@click.pass_obj
def remove_model(root: Root, provider_id: str, model_id: str) -> None:
    """Remove a model that was added to a provider."""
    from copaw.cli.model_settings import open_settings

    open_settings(root).remove_model(provider_id, model_id)
    click.echo(f"Model {model_id} is removed from {provider_id}.")


for _absent in (download, local, remove_local):
    models.add_command(_absent)
