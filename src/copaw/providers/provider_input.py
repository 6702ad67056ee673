"""What may be entered for a provider."""

from __future__ import annotations

import logging
from typing import Any

from copaw.config.secrets import mask
from copaw.errors import BadInput
from copaw.providers.models import CHAT_MODELS, ProviderInfo

log = logging.getLogger(__name__)


def checked_settings(
    info: ProviderInfo, api_key: str | None, base_url: str | None, chat_model: str | None
) -> dict[str, Any]:
    """The fields of ``info`` that are to change; ``None`` leaves one alone, and so does its masked key.

    :raises BadInput: names the field.
    """
    values: dict[str, Any] = {}
    if api_key is not None and not (info.api_key and api_key == mask(info.api_key)):
        values["api_key"] = _checked_key(info, api_key.strip())
    if base_url is not None:
        values["base_url"] = _checked_url(info, base_url.strip())
    if chat_model is not None:
        values["chat_model"] = checked_chat_model(chat_model)
    return values


def plain_key(api_key: str) -> str:
    """``api_key``, if it can be sent in a header. :raises BadInput: it cannot."""
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise BadInput("api_key: a key has letters, digits and signs, and no blanks or line breaks.", field="api_key")
    return api_key


def _checked_key(info: ProviderInfo, api_key: str) -> str:
    plain_key(api_key)
    if api_key and info.api_key_prefix and not api_key.startswith(info.api_key_prefix):
        log.warning("The API key given for provider %s does not begin with %s", info.id, info.api_key_prefix)
    return api_key


def _checked_url(info: ProviderInfo, base_url: str) -> str:
    if info.freeze_url and base_url and base_url.rstrip("/") != info.base_url.rstrip("/"):
        raise BadInput(
            f"base_url of provider '{info.id}' is fixed ({info.base_url or 'it has none'}). "
            "For another address add a provider of your own with `copaw models add-provider`.",
            field="base_url",
        )
    if info.freeze_url:
        return info.base_url
    if base_url and not base_url.startswith(("http://", "https://")):
        raise BadInput(f"base_url must begin with http:// or https://, not '{base_url}'.", field="base_url")
    return base_url


def checked_chat_model(chat_model: str) -> str:
    """``chat_model``, if it is one of :data:`copaw.providers.models.CHAT_MODELS`. :raises BadInput: it is not."""
    if chat_model not in CHAT_MODELS:
        raise BadInput(f"chat_model must be one of {', '.join(CHAT_MODELS)}, not '{chat_model}'.", field="chat_model")
    return chat_model
