from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from copaw.providers.models import ModelInfo, ProviderInfo, builtin_providers

CONTRACT = Path(__file__).parents[1] / "contract"
SAMPLE = json.loads((CONTRACT / "samples" / "models.json").read_text(encoding="utf-8"))
SCHEMAS = json.loads((CONTRACT / "http.json").read_text(encoding="utf-8"))["components"]["schemas"]


def test_the_built_in_providers_are_those_of_the_contract_in_its_order() -> None:
    ours = [info.model_dump(mode="json") for info in builtin_providers()]
    assert ours[:-1] == SAMPLE


def test_the_offline_demo_needs_no_key_and_has_one_model() -> None:
    demo = builtin_providers()[-1]
    assert (demo.id, demo.is_local, demo.require_api_key) == ("demo", True, False)
    assert "no intelligence" in demo.name
    assert demo.model_ids() == ["demo"]


@pytest.mark.parametrize("model", [ProviderInfo, ModelInfo])
def test_fields_defaults_and_required_ones_are_those_of_the_contract(model: type[ProviderInfo | ModelInfo]) -> None:
    contract = SCHEMAS[model.__name__]
    assert set(model.model_fields) == set(contract["properties"])
    assert {name for name, field in model.model_fields.items() if field.is_required()} == set(contract["required"])
    for name, schema in contract["properties"].items():
        if "default" in schema:
            assert model.model_fields[name].default == schema["default"], name


def test_unknown_fields_are_kept() -> None:
    info = ProviderInfo.model_validate({"id": "x", "name": "X", "models": [{"id": "m", "name": "M", "n": 1}], "z": 2})
    dumped = info.model_dump()
    assert dumped["z"] == 2
    assert dumped["models"][0]["n"] == 1


def test_a_provider_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        builtin_providers()[0].api_key = "k"  # type: ignore[misc]


def test_a_models_own_arguments_win_and_none_is_not_sent() -> None:
    info = ProviderInfo(
        id="x",
        name="X",
        generate_kwargs={"temperature": 1, "max_tokens": None, "seed": 1},
        extra_models=[ModelInfo(id="m", name="M", generate_kwargs={"temperature": 0, "seed": None})],
    )
    assert info.request_kwargs("m") == {"temperature": 0}
    assert info.request_kwargs("other") == {"temperature": 1, "seed": 1}
