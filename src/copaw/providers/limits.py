"""How patient and how modest calls to a model are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from copaw.errors import BadInput


@dataclass(frozen=True, slots=True)
class LLMLimits:
    """Retries and limits of model calls.

    :param max_retries: attempts after the first one.
    :param backoff_base_s: the wait before the first retry; it doubles each time up to ``backoff_cap_s``.
    :param max_concurrent: calls of one provider under way at once, streams included.
    :param max_qpm: calls of one provider begun within any 60 s; 0 = no limit.
    :param rate_limit_pause_s: how long every caller of a provider waits after it answered 429 without
        ``Retry-After``; up to ``rate_limit_jitter_s`` is added.
    :param acquire_timeout_s: the longest wait for a turn before a call fails.
    """

    retry_enabled: bool = True
    max_retries: int = 3
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 10.0
    max_concurrent: int = 10
    max_qpm: int = 600
    rate_limit_pause_s: float = 5.0
    rate_limit_jitter_s: float = 1.0
    acquire_timeout_s: float = 300.0

    @classmethod
    def from_running(cls, running: Mapping[str, Any], environ: Mapping[str, str]) -> LLMLimits:
        """From an agent's ``running`` configuration (``llm_*`` keys) and ``COPAW_LLM_*``.

        A value in ``running`` that differs from the default was chosen by somebody and wins; otherwise the
        environment decides.

        :raises BadInput: a variable is not a number or is too small; ``field`` names it.
        """
        values: dict[str, Any] = {}
        for setting in _SETTINGS:
            default = setting.default
            chosen = running.get(setting.key, default)
            if chosen == default and setting.variable in environ:
                chosen = setting.parse(environ[setting.variable])
            values[setting.field] = chosen
        return cls(retry_enabled=bool(running.get("llm_retry_enabled", True)), **values)

    @property
    def attempts(self) -> int:
        """How often a request is tried at most."""
        return 1 + self.max_retries if self.retry_enabled else 1

    def backoff_s(self, attempt: int) -> float:
        """The wait after failed attempt number ``attempt`` (from 1)."""
        return min(self.backoff_cap_s, self.backoff_base_s * 2.0 ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class _Setting:
    field: str
    key: str
    variable: str
    number: Callable[[str], float]
    default: float
    minimum: float

    def parse(self, text: str) -> float:
        try:
            value = self.number(text)
        except ValueError:
            kind = "a whole number" if self.number is int else "a number"
            raise BadInput(f"{self.variable} must be {kind}, not {text!r}.", field=self.variable) from None
        if not value >= self.minimum:
            raise BadInput(f"{self.variable} must be at least {self.minimum}, not {text}.", field=self.variable)
        return value


_SETTINGS = (
    _Setting("max_retries", "llm_max_retries", "COPAW_LLM_MAX_RETRIES", int, 3, 0),
    _Setting("backoff_base_s", "llm_backoff_base", "COPAW_LLM_BACKOFF_BASE", float, 1.0, 0.0),
    _Setting("backoff_cap_s", "llm_backoff_cap", "COPAW_LLM_BACKOFF_CAP", float, 10.0, 0.0),
    _Setting("max_concurrent", "llm_max_concurrent", "COPAW_LLM_MAX_CONCURRENT", int, 10, 1),
    _Setting("max_qpm", "llm_max_qpm", "COPAW_LLM_MAX_QPM", int, 600, 0),
    _Setting("rate_limit_pause_s", "llm_rate_limit_pause", "COPAW_LLM_RATE_LIMIT_PAUSE", float, 5.0, 0.0),
    _Setting("rate_limit_jitter_s", "llm_rate_limit_jitter", "COPAW_LLM_RATE_LIMIT_JITTER", float, 1.0, 0.0),
    _Setting("acquire_timeout_s", "llm_acquire_timeout", "COPAW_LLM_ACQUIRE_TIMEOUT", float, 300.0, 0.0),
)
