"""Provider settings as files of the secret directory, and what a file adds to a built-in definition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from copaw.config.secrets import SecretFiles
from copaw.errors import ConfigFileError
from copaw.providers.models import ModelInfo, ProviderInfo, builtin_providers

ACTIVE_FILE = "active_model"
_USER_SETTINGS = ("api_key", "chat_model", "extra_models", "generate_kwargs", "meta")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelSlot:
    """One model of one provider."""

    provider_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is configured, at one moment.

    :param providers: by id, in the order clients show them.
    :param broken: what is wrong with a file that could not be used, by provider id or ``active_model``.
    """

    providers: Mapping[str, ProviderInfo]
    active: ModelSlot | None = None
    broken: Mapping[str, ConfigFileError] = field(default_factory=dict)


def file_name(info: ProviderInfo) -> str:
    """The name under which a provider's settings are kept."""
    return f"{'custom' if info.is_custom else 'builtin'}/{info.id}"


def read_snapshot(secrets: SecretFiles) -> Snapshot:
    """Read every file. A file that cannot be used is logged and listed in ``broken``, and is left as it is."""
    providers = {info.id: info for info in builtin_providers()}
    broken: dict[str, ConfigFileError] = {}
    active: ModelSlot | None = None
    for name in sorted(secrets.names()):
        folder, _, provider_id = name.rpartition("/")
        if name != ACTIVE_FILE and folder not in ("builtin", "custom"):
            continue
        try:
            content = secrets.read(name)
            if name == ACTIVE_FILE:
                active = _active(name, content)
            elif folder == "custom":
                providers[provider_id] = _custom(name, provider_id, content, providers)
            elif provider_id in providers:
                providers[provider_id] = _merge(name, providers[provider_id], content)
            else:
                log.warning("Provider settings %s are for a provider this version does not know; left alone", name)
        except ConfigFileError as error:
            log.error("%s", error)
            broken[provider_id] = error
            if folder == "custom" and provider_id not in providers:
                providers[provider_id] = ProviderInfo(id=provider_id, name=provider_id, is_custom=True)
    return Snapshot(providers, active, broken)


def _active(name: str, content: Mapping[str, Any]) -> ModelSlot | None:
    provider_id, model = content.get("provider_id", ""), content.get("model", "")
    if not isinstance(provider_id, str) or not isinstance(model, str):
        raise ConfigFileError(f"providers/{name}.json", "provider_id and model must be texts")
    return ModelSlot(provider_id, model) if provider_id and model else None


def _custom(name: str, provider_id: str, content: Mapping[str, Any], known: Mapping[str, ProviderInfo]) -> ProviderInfo:
    info = _validated(name, {"id": provider_id, "name": provider_id, **content})
    if info.id != provider_id:
        raise ConfigFileError(f"providers/{name}.json", "must be the name of the file", field="id", value=repr(info.id))
    if provider_id in known:
        raise ConfigFileError(f"providers/{name}.json", "has the id of a built-in provider; rename it", field="id")
    return info.model_copy(update={"is_custom": True})


def _merge(name: str, builtin: ProviderInfo, content: Mapping[str, Any]) -> ProviderInfo:
    """The built-in definition with the user's settings; names, flags and frozen addresses stay built-in."""
    saved = _validated(name, {**builtin.model_dump(), **content, "id": builtin.id})
    values: dict[str, Any] = {key: saved.__dict__[key] for key in _USER_SETTINGS if key in content}
    if "base_url" in content and not builtin.freeze_url:
        values["base_url"] = saved.base_url
    if "models" in content:
        values["models"] = _merge_models(builtin.models, saved.models)
    return builtin.model_copy(update={**(saved.model_extra or {}), **values})


def _merge_models(builtin: list[ModelInfo], saved: list[ModelInfo]) -> list[ModelInfo]:
    by_id = {model.id: model for model in saved}
    merged = [by_id.pop(model.id, model) for model in builtin]
    return [*merged, *by_id.values()]


def _validated(name: str, content: Mapping[str, Any]) -> ProviderInfo:
    try:
        return ProviderInfo.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        # The value is not shown: it may be a key.
        raise ConfigFileError(f"providers/{name}.json", first["msg"], field=where) from error
