"""How many tokens the models have used: by day, model and agent, in one file of the working directory.

A call is noted in memory at once; a few seconds later all that was noted since is added to the file, as a whole and in
a thread. At most that much is lost when the server is killed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from copaw.aiokits.files import read_json, set_aside, write_json_atomic
from copaw.aiokits.tasks import TaskOwner
from copaw.errors import BadInput

if TYPE_CHECKING:
    from copaw.providers.answer import Usage
    from copaw.providers.files import ModelSlot

logger = logging.getLogger(__name__)

KEPT_DAYS = 400
SHOWN_DAYS = 30
_WRITE_AFTER_S = 5.0
_MAX_PENDING = 10_000

_Key = tuple[str, str, str, str]
"""Day, provider, model, agent."""


class TokenUsageStats(BaseModel):
    """Sums over calls. ``prompt_tokens`` count those from the provider's cache too."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    call_count: int = Field(default=0, ge=0)

    def add(self, other: TokenUsageStats) -> None:
        """Add the sums of ``other``."""
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cached_tokens += other.cached_tokens
        self.call_count += other.call_count


class TokenUsageByModel(TokenUsageStats):
    provider_id: str = ""
    model: str


class TokenUsageSummary(BaseModel):
    """:param by_model: by ``provider:model``. :param by_date: by ISO date. :param by_agent: by agent id."""

    total_prompt_tokens: int = 0
    total_completion_tokens: int = 0
    total_calls: int = 0
    by_model: dict[str, TokenUsageByModel] = Field(default_factory=dict)
    by_provider: dict[str, TokenUsageStats] = Field(default_factory=dict)
    by_date: dict[str, TokenUsageStats] = Field(default_factory=dict)
    by_agent: dict[str, TokenUsageStats] = Field(default_factory=dict)

    def add(self, day: str, entry: _Entry, agent_id: str, stats: TokenUsageStats) -> None:
        """Count what an agent has used of a model on a day."""
        self.total_prompt_tokens += stats.prompt_tokens
        self.total_completion_tokens += stats.completion_tokens
        self.total_calls += stats.call_count
        named = TokenUsageByModel(provider_id=entry.provider_id, model=entry.model)
        self.by_model.setdefault(f"{entry.provider_id}:{entry.model}", named).add(stats)
        for table, key in ((self.by_provider, entry.provider_id), (self.by_date, day), (self.by_agent, agent_id)):
            table.setdefault(key, TokenUsageStats()).add(stats)


class _Entry(TokenUsageStats):
    """One model on one day, in the file. What no agent accounts for was there before agents were counted."""

    model_config = ConfigDict(extra="allow")

    provider_id: str = ""
    model: str = Field(validation_alias=AliasChoices("model", "model_name"))
    agents: dict[str, TokenUsageStats] = Field(default_factory=dict)


_Days = dict[str, dict[str, _Entry]]
_DAYS: TypeAdapter[_Days] = TypeAdapter(_Days)


class TokenUsageBook:
    """Notes and sums. Use it in one event loop and end it with :meth:`aclose`.

    :param today: the day calls are counted on, in the server's time zone.
    """

    def __init__(self, path: Path, today: Callable[[], date] = date.today) -> None:
        self._path = path
        self._today = today
        self._noted: dict[_Key, TokenUsageStats] = {}
        self._lock = threading.Lock()
        self._days: _Days | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._owner = TaskOwner("token-usage")

    def record(self, agent_id: str, slot: ModelSlot, usage: Usage) -> None:
        """Note one call of an agent to a model."""
        key = (self._today().isoformat(), slot.provider_id, slot.model, agent_id)
        stats = self._noted.get(key)
        if stats is None:
            if len(self._noted) >= _MAX_PENDING:
                logger.error("token usage of %s is not counted: %s cannot be written", agent_id, self._path)
                return
            stats = self._noted[key] = TokenUsageStats()
        stats.prompt_tokens += usage.input_tokens
        stats.completion_tokens += usage.output_tokens
        stats.cached_tokens += usage.cached_tokens
        stats.call_count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WRITE_AFTER_S, self._write_soon)

    async def summary(
        self, start: date, end: date, *, model: str | None = None, provider: str | None = None
    ) -> TokenUsageSummary:
        """Sums from ``start`` to ``end``, both included; of one model or provider if it is named."""
        return await asyncio.to_thread(self._summary, dict(self._noted), start, end, model, provider)

    async def aclose(self) -> None:
        """Write what is not written yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._owner.aclose()
        await self._write()

    def _write_soon(self) -> None:
        self._timer = None
        self._owner.spawn(self._write(), "write")

    async def _write(self) -> None:
        noted, self._noted = self._noted, {}
        if not noted:
            return
        writing = asyncio.ensure_future(asyncio.to_thread(self._add_to_file, noted))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise

    # -- in a thread ---------------------------------------------------------------------------------------------

    def _add_to_file(self, noted: Mapping[_Key, TokenUsageStats]) -> None:
        with self._lock:
            days = self._loaded()
            _add(days, noted)
            oldest = (self._today() - timedelta(days=KEPT_DAYS)).isoformat()
            for day in [day for day in days if day < oldest]:
                del days[day]
            try:
                write_json_atomic(self._path, _DAYS.dump_python(days, mode="json"))
            except OSError as error:
                # It stays in memory, and is written with what comes next.
                logger.error("token usage cannot be written to %s: %s", self._path, error)

    def _summary(
        self, noted: Mapping[_Key, TokenUsageStats], start: date, end: date, model: str | None, provider: str | None
    ) -> TokenUsageSummary:
        first, last = start.isoformat(), end.isoformat()
        summary = TokenUsageSummary()
        with self._lock:
            for days in (self._loaded(), _add({}, noted)):
                for day in sorted(day for day in days if first <= day <= last):
                    for entry in days[day].values():
                        if (model is None or entry.model == model) and provider in (None, entry.provider_id):
                            for agent_id, stats in _shares(entry):
                                summary.add(day, entry, agent_id, stats)
        return summary

    def _loaded(self) -> _Days:
        if self._days is None:
            self._days = self._read()
        return self._days

    def _read(self) -> _Days:
        try:
            return _DAYS.validate_python(read_json(self._path))
        except FileNotFoundError:
            return {}
        except (ValidationError, ValueError) as error:
            aside = set_aside(self._path)
            logger.error("%s is not readable and was kept as %s: %s", self._path, aside.name, str(error)[:200])
            return {}


def day_range(start: str | None, end: str | None, today: date) -> tuple[date, date]:
    """The days that are asked for; by default the last :data:`SHOWN_DAYS`.

    :raises BadInput: one is no ISO date, or the first comes after the last; ``field`` names it.
    """
    last = _day(end, "end_date") if end else today
    first = _day(start, "start_date") if start else last - timedelta(days=min(SHOWN_DAYS - 1, last.toordinal() - 1))
    if first > last:
        raise BadInput(f"start_date: {first} comes after end_date, {last}.", field="start_date")
    return first, last


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{field} must be a date such as 2026-12-31, not {text[:40]!r}.", field=field) from None


def _add(days: _Days, noted: Mapping[_Key, TokenUsageStats]) -> _Days:
    for (day, provider_id, model, agent_id), stats in noted.items():
        entries = days.setdefault(day, {})
        entry = entries.setdefault(f"{provider_id}:{model}", _Entry(provider_id=provider_id, model=model))
        entry.add(stats)
        entry.agents.setdefault(agent_id, TokenUsageStats()).add(stats)
    return days


def _shares(entry: _Entry) -> list[tuple[str, TokenUsageStats]]:
    """What each agent has used, and under an empty name what nobody is known to have."""
    rest = TokenUsageStats(
        **{
            name: max(entry.__dict__[name] - sum(share.__dict__[name] for share in entry.agents.values()), 0)
            for name in TokenUsageStats.model_fields
        }
    )
    shares = [*entry.agents.items()]
    return [*shares, ("", rest)] if rest.call_count or rest.prompt_tokens or rest.completion_tokens else shares
