"""When and how far a conversation is made shorter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from copaw.config.models.running import AgentsRunningConfig, ContextCompactConfig
from copaw.errors import BadInput

KEEP_RECENT = 3
_RATIO_VARIABLE = "COPAW_MEMORY_COMPACT_RATIO"
_KEEP_VARIABLE = "COPAW_MEMORY_COMPACT_KEEP_RECENT"


@dataclass(frozen=True, slots=True)
class ToolResultSettings:
    """How much of tool results stays. Sizes are bytes of UTF-8.

    :param recent_n: so many of the newest results may have ``recent_max_bytes``, older ones ``old_max_bytes``.
    """

    enabled: bool = True
    recent_n: int = 2
    recent_max_bytes: int = 50_000
    old_max_bytes: int = 3_000


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """Sizes are tokens.

    :param window: what the model takes.
    :param threshold: a prompt of this size is made shorter.
    :param reserve: so much of the newest messages is kept as it is; a summary is not longer either.
    :param keep_recent: so many of the newest messages are kept if they fit, however large.
    :param divisor: bytes a token.
    :param thinking: the model that summarises is shown the thinking, too.
    """

    window: int = 131_072
    threshold: int = 98_304
    reserve: int = 13_107
    keep_recent: int = KEEP_RECENT
    divisor: float = 4.0
    enabled: bool = True
    thinking: bool = True
    tool_results: ToolResultSettings = ToolResultSettings()

    def in_estimates(self, factor: float) -> ContextSettings:
        """The same sizes in tokens of an estimate, of which the model counts each as ``factor``."""
        if factor == 1.0:
            return self
        window, threshold, reserve = (int(size / factor) for size in (self.window, self.threshold, self.reserve))
        return replace(self, window=window, threshold=threshold, reserve=reserve)

    @classmethod
    def from_running(cls, running: AgentsRunningConfig, environ: Mapping[str, str]) -> ContextSettings:
        """From an agent's ``running`` configuration and ``COPAW_MEMORY_COMPACT_*``.

        :raises BadInput: a variable is not a number or out of range; ``field`` names it.
        """
        compact, results = running.context_compact, running.tool_result_compact
        window = running.max_input_length
        return cls(
            window=window,
            threshold=int(window * _ratio(compact, environ)),
            reserve=int(window * compact.memory_reserve_ratio),
            keep_recent=int(_number(environ, _KEEP_VARIABLE, KEEP_RECENT, 0, 1000)),
            divisor=compact.token_count_estimate_divisor,
            enabled=compact.context_compact_enabled,
            thinking=compact.compact_with_thinking_block,
            tool_results=ToolResultSettings(
                enabled=results.enabled,
                recent_n=results.recent_n,
                recent_max_bytes=results.recent_max_bytes,
                old_max_bytes=results.old_max_bytes,
            ),
        )


def _ratio(compact: ContextCompactConfig, environ: Mapping[str, str]) -> float:
    """A value that differs from the default was chosen by somebody and wins; otherwise the environment decides."""
    chosen = compact.memory_compact_ratio
    default = ContextCompactConfig().memory_compact_ratio
    return chosen if chosen != default else _number(environ, _RATIO_VARIABLE, default, 0.3, 0.9)


def _number(environ: Mapping[str, str], variable: str, default: float, least: float, most: float) -> float:
    text = environ.get(variable)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadInput(f"{variable} must be a number, not {text!r}.", field=variable) from None
    if not least <= value <= most:
        raise BadInput(f"{variable} must be from {least:g} to {most:g}, not {text}.", field=variable)
    return value
