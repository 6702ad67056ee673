"""Which models an agent uses, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.config.models import ModelSlotConfig
from copaw.config.models.agent import AgentProfileConfig
from copaw.providers.files import ModelSlot
from copaw.providers.slots import complete, models_in_order

CHOSEN, LOCAL, CLOUD = ModelSlot("p", "chosen"), ModelSlot("p", "local"), ModelSlot("p", "cloud")


def routing(mode: str, local: ModelSlot | None, cloud: ModelSlot | None) -> Any:
    def slot(one: ModelSlot | None) -> dict[str, str]:
        return {"provider_id": one.provider_id, "model": one.model} if one is not None else {}

    section = {"enabled": True, "mode": mode, "local": slot(local), "cloud": slot(cloud) or None}
    return AgentProfileConfig.model_validate({"id": "a", "name": "A", "llm_routing": section}).llm_routing


@pytest.mark.parametrize("half", [("p", ""), ("", "m"), ("", "")])
def test_half_a_slot_is_none(half: tuple[str, str]) -> None:
    assert complete(ModelSlotConfig(provider_id=half[0], model=half[1])) is None
    assert complete(None) is None


def test_without_routing_the_chosen_model_answers_alone() -> None:
    assert models_in_order(CHOSEN, None) == (CHOSEN,)


@pytest.mark.parametrize(
    ("mode", "local", "cloud", "order"),
    [
        ("local_first", LOCAL, CLOUD, (LOCAL, CLOUD)),
        ("cloud_first", LOCAL, CLOUD, (CLOUD, LOCAL)),
        ("local_first", LOCAL, None, (LOCAL, CHOSEN)),
        ("cloud_first", LOCAL, None, (CHOSEN, LOCAL)),
        ("local_first", None, CLOUD, (CLOUD,)),
        ("local_first", None, None, (CHOSEN,)),
    ],
)
def test_the_other_one_answers_when_the_preferred_cannot(
    mode: str, local: ModelSlot | None, cloud: ModelSlot | None, order: tuple[ModelSlot, ...]
) -> None:
    assert models_in_order(CHOSEN, routing(mode, local, cloud)) == order
