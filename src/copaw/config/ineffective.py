"""Settings of CoPaw 1.0.2 that this version cannot carry out.

A home that has them is served as it is. Somebody who asks for one now is told that it would do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from copaw.config.models.running import AgentsRunningConfig
from copaw.errors import NotImplementedHere
from copaw.ports import Json

_NO_TOKENIZER = "this version estimates tokens and loads no tokenizer; token_count_estimate_divisor tunes the estimate"
_NO_MEMORY = "this version has no long-term memory that could be searched"
_NO_EMBEDDING = "this version calls no embedding model"


@dataclass(frozen=True, slots=True)
class Ineffective:
    """One such setting. :param field: its dotted name in ``agent.json``. :param why: a part of a sentence."""

    field: str
    value: Any
    why: str


_OFF = (
    Ineffective("running.context_compact.token_count_model", "default", _NO_TOKENIZER),
    Ineffective("running.context_compact.token_count_use_mirror", False, _NO_TOKENIZER),
    Ineffective("running.memory_summary.force_memory_search", False, _NO_MEMORY),
    Ineffective("running.memory_summary.rebuild_memory_index_on_start", False, _NO_MEMORY),
    Ineffective("running.embedding_config.base_url", "", _NO_EMBEDDING),
    Ineffective("running.embedding_config.model_name", "", _NO_EMBEDDING),
    Ineffective("running.embedding_config.api_key", "", _NO_EMBEDDING),
)
"""Each with the value that asks for nothing."""


def ineffective(running: AgentsRunningConfig) -> Iterator[Ineffective]:
    """What ``running`` asks for in vain."""
    values = {"running": running.model_dump()}
    for setting in _OFF:
        value = _at(values, setting.field)
        if value != setting.value:
            yield Ineffective(setting.field, value, setting.why)


def refuse_ineffective(old: AgentsRunningConfig, new: AgentsRunningConfig) -> None:
    """Refuse a change to a value that would do nothing; what was there before may stay.

    :raises NotImplementedHere: the message names the field and says why.
    """
    before = {"running": old.model_dump()}
    for setting in ineffective(new):
        if setting.value != _at(before, setting.field):
            raise NotImplementedHere(
                f"{setting.field}: {setting.value!r} would have no effect: {setting.why}. Leave the field as it is."
            )


def _at(values: Json, field: str) -> Any:
    return reduce(lambda found, name: found[name], field.split("."), values)
