"""Questions and tables about providers and models."""

from __future__ import annotations

import click

from copaw.cli.model_settings import ModelSettings
from copaw.errors import NotFound
from copaw.ports import Json


def show(settings: ModelSettings) -> None:
    """Print a table of the providers and the active model."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("provider", "name", "key", "models"):
        table.add_column(column, overflow="fold")
    for info in settings.providers():
        table.add_row(str(info.get("id")), str(info.get("name")), _key_state(info), ", ".join(model_ids(info)) or "-")
    Console().print(table)
    active = settings.active_model()
    if active:
        click.echo(f"Active model: {active[1]} of {active[0]}")
    else:
        click.echo("No model is chosen yet; agents use the offline demo. Choose one with: copaw models config")


def configure(settings: ModelSettings) -> None:
    """Ask for a provider, what it needs, and the model; save each answer as it is given."""
    provider = ask_provider(settings)
    info = known(settings, provider)
    if info.get("require_api_key"):
        note = " (Enter keeps the present one)" if info.get("api_key") else ""
        key = click.prompt(f"API key of {provider}{note}", hide_input=True, default="", show_default=False)
        if key:
            settings.configure_provider(provider, {"api_key": key})
    if not info.get("freeze_url"):
        present = str(info.get("base_url") or "")
        address = click.prompt("Base URL", default=present)
        if address != present:
            settings.configure_provider(provider, {"base_url": address})
    model = ask_model(settings, provider)
    if model not in model_ids(info):
        settings.add_model(provider, model, model)
    settings.set_active_model(provider, model)
    click.echo(f"The active model is now {model} of {provider}.")


def ask_provider(settings: ModelSettings) -> str:
    """Let the user choose a provider."""
    ids = []
    for info in settings.providers():
        ids.append(str(info.get("id")))
        click.echo(f"  {ids[-1]:<24} {info.get('name')} ({_key_state(info)})")
    active = settings.active_model()
    default = active[0] if active else None
    answer: str = click.prompt("Provider", type=click.Choice(ids), show_choices=False, default=default)
    return answer


def ask_model(settings: ModelSettings, provider_id: str) -> str:
    """Let the user choose one of a provider's models, or type another.

    :raises NotFound: there is no such provider.
    """
    ids = model_ids(known(settings, provider_id))
    for model_id in ids:
        click.echo(f"  {model_id}")
    answer: str = click.prompt("Model", default=ids[0] if ids else None)
    return answer.strip()


def known(settings: ModelSettings, provider_id: str) -> Json:
    """The provider's settings. :raises NotFound: there is none of that id."""
    providers = {str(info.get("id")): info for info in settings.providers()}
    if provider_id not in providers:
        raise NotFound(f"There is no model provider '{provider_id}'. Known providers: {', '.join(providers)}.")
    return providers[provider_id]


def model_ids(info: Json) -> list[str]:
    """Every model of a provider, the built-in ones first."""
    models = [*(info.get("models") or []), *(info.get("extra_models") or [])]
    return [str(model["id"]) for model in models if isinstance(model, dict) and "id" in model]


def without_key(info: Json) -> Json:
    """The settings with ``has_api_key`` in place of the key."""
    rest = {name: value for name, value in info.items() if name != "api_key"}
    return {**rest, "has_api_key": bool(info.get("api_key"))}


def _key_state(info: Json) -> str:
    if info.get("api_key"):
        return "set"
    return "missing" if info.get("require_api_key") else "not needed"
