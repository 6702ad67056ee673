"""Which providers and models are configured, which one is active, and how that changes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from copaw.config.secrets import SecretFiles, mask
from copaw.errors import BadInput, ConfigFileError, Conflict, NotFound
from copaw.providers.files import ACTIVE_FILE, ModelSlot, Snapshot, file_name, read_snapshot
from copaw.providers.models import (
    DEMO_MODEL_ID,
    DEMO_PROVIDER_ID,
    OPENAI_CHAT_MODEL,
    ModelInfo,
    ProviderInfo,
    builtin_providers,
)
from copaw.providers.provider_input import checked_chat_model, checked_settings, plain_key
from copaw.providers.slots import RoutingLike, SlotLike, complete, models_in_order

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ProviderStore:
    """The provider settings: one snapshot in memory, changes written before they count.

    Reading (``list``, ``get``, ``active``, ``resolve``, ``public``, ``problems``) touches memory only.
    ``load`` reads files; ``configure``, ``add_custom``, ``remove_custom``, ``add_model``, ``remove_model``,
    ``configure_model``, ``set_active`` and ``clear_active`` write one: call these in a thread. They may be
    called from several threads at once.

    :param secrets: the files below ``<secret dir>/providers``.
    """

    def __init__(self, secrets: SecretFiles) -> None:
        self._secrets = secrets
        self._lock = threading.RLock()
        self._now = Snapshot({info.id: info for info in builtin_providers()})

    def load(self) -> None:
        """Read every file. One that cannot be used is logged and kept in :meth:`problems`; nothing is raised."""
        with self._lock:
            self._now = read_snapshot(self._secrets)

    def problems(self) -> Mapping[str, ConfigFileError]:
        """Files that could not be used, by provider id or ``active_model``."""
        return self._now.broken

    def list(self) -> list[ProviderInfo]:
        """Every provider: built-in ones, then the user's."""
        return [*self._now.providers.values()]

    def get(self, provider_id: str) -> ProviderInfo:
        """
        :raises NotFound: there is none; the message lists the known ones.
        """
        try:
            return self._now.providers[provider_id]
        except KeyError:
            known = ", ".join(self._now.providers)
            raise NotFound(f"There is no model provider '{provider_id}'. Known providers: {known}.") from None

    def public(self, info: ProviderInfo) -> ProviderInfo:
        """A copy for clients: the key masked; ``meta.config_error`` tells of a broken file."""
        error = self._now.broken.get(info.id)
        meta = {**info.meta, "config_error": str(error)} if error else info.meta
        return info.model_copy(update={"api_key": mask(info.api_key) if info.api_key else "", "meta": meta})

    def configure(
        self,
        provider_id: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        chat_model: str | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
    ) -> ProviderInfo:
        """Change a provider's settings; ``None`` leaves a setting as it is, an empty key forgets the key.

        :raises BadInput: names the field, as when the address is fixed.
        :raises ConfigFileError: the provider's file is broken and would be overwritten.
        """
        with self._lock:
            info = self.get(provider_id)
            values = checked_settings(info, api_key, base_url, chat_model)
            if generate_kwargs is not None:
                values["generate_kwargs"] = dict(generate_kwargs)
            return self._save(info, **values)

    def with_settings(
        self,
        info: ProviderInfo,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        chat_model: str | None = None,
    ) -> ProviderInfo:
        """A copy with other settings, checked as by :meth:`configure`; nothing is saved."""
        return info.model_copy(update=checked_settings(info, api_key, base_url, chat_model))

    def add_custom(
        self,
        provider_id: str,
        name: str,
        *,
        base_url: str = "",
        api_key: str = "",
        api_key_prefix: str = "",
        chat_model: str = OPENAI_CHAT_MODEL,
        models: Iterable[ModelInfo] = (),
    ) -> ProviderInfo:
        """Add a provider of the user's own.

        :raises Conflict: the id is taken. :raises BadInput: the id or the chat model is not valid.
        """
        if not _ID.fullmatch(provider_id):
            raise BadInput(
                f"Provider id '{provider_id}' is not valid: use up to 64 letters, digits, '.', '_' or '-', "
                "beginning with a letter or digit.",
                field="id",
            )
        with self._lock:
            if provider_id in self._now.providers:
                raise Conflict(f"Provider '{provider_id}' exists already. Choose another id, or change that one.")
            info = ProviderInfo(
                id=provider_id,
                name=name,
                base_url=base_url.strip(),
                api_key=plain_key(api_key.strip()),
                api_key_prefix=api_key_prefix,
                chat_model=checked_chat_model(chat_model),
                extra_models=list(models),
                is_custom=True,
            )
            return self._save(info)

    def remove_custom(self, provider_id: str) -> None:
        """Forget a provider of the user's own, its key, and the active model if it was one of its models.

        :raises BadInput: it is a built-in one. :raises NotFound: there is none.
        """
        with self._lock:
            info = self.get(provider_id)
            if not info.is_custom:
                raise BadInput(
                    f"Provider '{provider_id}' is built in and cannot be removed. "
                    f"`copaw models config-key {provider_id}` changes its key.",
                    field="provider_id",
                )
            self._secrets.delete(file_name(info))
            rest = {key: value for key, value in self._now.providers.items() if key != provider_id}
            broken = {key: value for key, value in self._now.broken.items() if key != provider_id}
            self._now = Snapshot(rest, self._now.active, broken)
            if self._now.active and self._now.active.provider_id == provider_id:
                self.clear_active()

    def add_model(self, provider_id: str, model_id: str, name: str = "") -> ProviderInfo:
        """Add a model to a provider. :raises Conflict: it has one of that id."""
        model_id = model_id.strip()
        if not model_id:
            raise BadInput("The model id is empty. Give the id under which the provider knows the model.", field="id")
        with self._lock:
            info = self.get(provider_id)
            if info.model(model_id):
                raise Conflict(f"Provider '{provider_id}' has a model '{model_id}' already.")
            added = ModelInfo(id=model_id, name=name or model_id)
            return self._save(info, extra_models=[*info.extra_models, added])

    def add_models(self, provider_id: str, models: Iterable[ModelInfo]) -> int:
        """Add those models that a provider does not have yet; how many they were."""
        with self._lock:
            info = self.get(provider_id)
            known = {*info.model_ids()}
            new = [model for model in models if model.id not in known]
            if new:
                self._save(info, extra_models=[*info.extra_models, *new])
            return len(new)

    def learn_senses(self, provider_id: str, model_id: str, *, image: bool | None, video: bool | None) -> None:
        """Keep what was found out about a model; ``None`` leaves what was known."""
        with self._lock:
            info = self.get(provider_id)
            model = info.model(model_id)
            if model is None:
                raise NotFound(_unknown_model(info, model_id))
            sees_image = model.supports_image if image is None else image
            sees_video = model.supports_video if video is None else video
            self._change_model(
                info,
                model_id,
                supports_image=sees_image,
                supports_video=sees_video,
                supports_multimodal=bool(sees_image or sees_video),
                probe_source="probed",
            )

    def remove_model(self, provider_id: str, model_id: str) -> ProviderInfo:
        """Remove a model that was added. :raises BadInput: it is built in. :raises NotFound: there is none."""
        with self._lock:
            info = self.get(provider_id)
            rest = [model for model in info.extra_models if model.id != model_id]
            if len(rest) < len(info.extra_models):
                return self._save(info, extra_models=rest)
            if info.model(model_id):
                raise BadInput(
                    f"Model '{model_id}' of '{provider_id}' is built in and cannot be removed.",
                    field="model_id",
                )
            raise NotFound(_unknown_model(info, model_id))

    def configure_model(
        self, provider_id: str, model_id: str, generate_kwargs: Mapping[str, Any] | None
    ) -> ProviderInfo:
        """Set what is sent with every request to one model; ``None`` changes nothing."""
        with self._lock:
            info = self.get(provider_id)
            if info.model(model_id) is None:
                raise NotFound(_unknown_model(info, model_id))
            if generate_kwargs is None:
                return info
            return self._change_model(info, model_id, generate_kwargs=dict(generate_kwargs))

    def active(self) -> ModelSlot | None:
        """The model for agents that name none of their own; ``None`` if none was chosen."""
        return self._now.active

    def set_active(self, provider_id: str, model: str) -> ModelSlot:
        """Choose the model for agents that name none of their own.

        :raises NotFound: no such provider. :raises BadInput: no such model, or its provider has no key yet.
        """
        with self._lock:
            slot = self.check(provider_id, model)
            if ACTIVE_FILE in self._now.broken:
                raise self._now.broken[ACTIVE_FILE]
            self._secrets.write(ACTIVE_FILE, {"provider_id": provider_id, "model": model})
            self._now = Snapshot(self._now.providers, slot, self._now.broken)
            return slot

    def clear_active(self) -> None:
        """Forget the active model."""
        with self._lock:
            if self._now.active is not None:
                self._secrets.delete(ACTIVE_FILE)
                self._now = Snapshot(self._now.providers, None, self._now.broken)

    def check(self, provider_id: str, model: str) -> ModelSlot:
        """The slot, if that model can be used; raises as :meth:`set_active` does, and changes nothing."""
        info = self.get(provider_id)
        if info.model(model) is None:
            raise BadInput(_unknown_model(info, model), field="model")
        if info.require_api_key and not info.api_key:
            raise BadInput(
                f"Provider '{provider_id}' has no API key yet. Set one with `copaw models config-key {provider_id}`.",
                field="api_key",
            )
        return ModelSlot(provider_id, model)

    def resolve(self, agent_slot: SlotLike | None = None) -> ModelSlot:
        """The model an agent uses: its own slot if that is complete, else the active one, else the demo.

        :raises ConfigFileError: the file that names the active model is broken.
        """
        if (own := complete(agent_slot)) is not None:
            return own
        if ACTIVE_FILE in self._now.broken:
            raise self._now.broken[ACTIVE_FILE]
        return self._now.active or ModelSlot(DEMO_PROVIDER_ID, DEMO_MODEL_ID)

    def protocol(self, slot: ModelSlot) -> str:
        """What the provider of a model speaks; empty if there is no such provider."""
        info = self._now.providers.get(slot.provider_id)
        return info.chat_model if info is not None else ""

    def routes(self, agent_slot: SlotLike | None, *routings: RoutingLike) -> tuple[ModelSlot, ...]:
        """The models an agent uses: one, or the preferred one and that which answers when it cannot.

        :param routings: the first that is enabled counts.
        :raises ConfigFileError: as :meth:`resolve`.
        """
        routing = next((routing for routing in routings if routing.enabled), None)
        return models_in_order(self.resolve(agent_slot), routing)

    def _change_model(self, info: ProviderInfo, model_id: str, **update: Any) -> ProviderInfo:
        def changed(models: Iterable[ModelInfo]) -> list[ModelInfo]:
            return [m.model_copy(update=update) if m.id == model_id else m for m in models]

        return self._save(info, models=changed(info.models), extra_models=changed(info.extra_models))

    def _save(self, info: ProviderInfo, **values: Any) -> ProviderInfo:
        if info.id in self._now.broken:
            raise self._now.broken[info.id]
        changed = info.model_copy(update=values)
        if self._now.providers.get(info.id) != changed:
            self._secrets.write(file_name(changed), changed.model_dump())
            providers = {**self._now.providers, changed.id: changed}
            self._now = Snapshot(providers, self._now.active, self._now.broken)
        return changed


def _unknown_model(info: ProviderInfo, model: str) -> str:
    known = ", ".join(info.model_ids()) or "none yet"
    return (
        f"Provider '{info.id}' has no model '{model}'. Known models: {known}. "
        f"Add one with `copaw models add-model {info.id} -m <model id> -n <name>`."
    )
