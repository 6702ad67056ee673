"""Slots: a provider and a model of it, wherever they are configured, and the order in which they are used."""

from __future__ import annotations

from typing import Protocol

from copaw.providers.files import ModelSlot


class SlotLike(Protocol):
    """An agent's ``active_model``; either part may be empty."""

    @property
    def provider_id(self) -> str: ...

    @property
    def model(self) -> str: ...


class RoutingLike(Protocol):
    """Whether and how to choose between a local and a cloud model; a slot may be empty."""

    @property
    def enabled(self) -> bool: ...

    @property
    def mode(self) -> str: ...

    @property
    def local(self) -> SlotLike: ...

    @property
    def cloud(self) -> SlotLike | None: ...


def complete(slot: SlotLike | None) -> ModelSlot | None:
    """The slot, if both of its parts are there."""
    return ModelSlot(slot.provider_id, slot.model) if slot and slot.provider_id and slot.model else None


def models_in_order(chosen: ModelSlot, routing: RoutingLike | None) -> tuple[ModelSlot, ...]:
    """The models to use: ``chosen`` alone, or the preferred one and that which answers when it cannot."""
    if routing is None:
        return (chosen,)
    cloud = complete(routing.cloud) or chosen
    local = complete(routing.local) or cloud
    order = (local, cloud) if routing.mode == "local_first" else (cloud, local)
    return tuple(dict.fromkeys(order))
