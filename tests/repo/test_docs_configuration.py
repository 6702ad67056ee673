"""Every setting and every environment variable is documented, with its true default."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from copaw.config.models.running import AgentsRunningConfig

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text("utf-8")
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `([^`]+)` \| (?:`([^`]*)`)?", PAGE, re.MULTILINE)}
VARIABLE = re.compile(r"\bCOPAW_[A-Z_]*[A-Z]\b")


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from _settings(type(default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", default


def _variables_in_source() -> set[str]:
    return {name for path in (ROOT / "src").rglob("*.py") for name in VARIABLE.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize(("name", "default"), list(_settings(AgentsRunningConfig)))
def test_a_running_setting_is_documented_with_its_default(name: str, default: object) -> None:
    assert name in ROWS, f"docs/configuration.md has no row for {name}"
    assert json.loads(ROWS[name]) == default


def test_every_variable_of_the_source_is_documented() -> None:
    assert _variables_in_source() - ROWS.keys() == set()


def test_no_variable_is_documented_that_the_source_does_not_know() -> None:
    assert {name for name in ROWS if VARIABLE.fullmatch(name)} - _variables_in_source() == set()
