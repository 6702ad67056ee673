"""``running``: how an agent works: limits, model calls, memory, and how its reloads treat work under way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copaw.config.models.base import ConfigModel


class ContextCompactConfig(ConfigModel):
    """When and how far a long conversation is summarised. Ratios are parts of ``max_input_length``."""

    token_count_model: str = "default"
    token_count_use_mirror: bool = False
    token_count_estimate_divisor: float = Field(default=4.0, ge=2, le=5)
    context_compact_enabled: bool = True
    memory_compact_ratio: float = Field(default=0.75, ge=0.3, le=0.9)
    memory_reserve_ratio: float = Field(default=0.1, ge=0.05, le=0.3)
    compact_with_thinking_block: bool = True


class ToolResultCompactConfig(ConfigModel):
    """How much of long tool results stays in the conversation; the whole is kept in files for some days."""

    enabled: bool = True
    recent_n: int = Field(default=2, ge=1, le=10)
    old_max_bytes: int = Field(default=3000, ge=100)
    recent_max_bytes: int = Field(default=50000, ge=1000)
    retention_days: int = Field(default=5, ge=1, le=10)


class MemorySummaryConfig(ConfigModel):
    """Long-term memory: summaries, and a search before each answer (timeout in seconds)."""

    memory_summary_enabled: bool = True
    force_memory_search: bool = False
    force_max_results: int = Field(default=1, ge=1)
    force_min_score: float = Field(default=0.3, ge=0.0, le=1.0)
    force_memory_search_timeout: float = Field(default=10.0, gt=0.0)
    rebuild_memory_index_on_start: bool = False


class EmbeddingConfig(ConfigModel):
    """The embedding model for memory search; off while ``base_url`` and ``model_name`` are empty."""

    backend: str = "openai"
    api_key: str = ""
    base_url: str = ""
    model_name: str = ""
    dimensions: int = 1024
    enable_cache: bool = True
    use_dimensions: bool = False
    max_cache_size: int = 3000
    max_input_length: int = 8192
    max_batch_size: int = 10


class AgentsRunningConfig(ConfigModel):
    """Limits of an agent's work. Times are seconds, lengths tokens.

    ``reload_grace_seconds``: how long work under way may go on after a configuration change; 0 ends it at
    once, ``None`` sets no limit. ``max_draining``: how many replaced workspaces may wait for their work at a
    time. ``reload_settle_seconds``: how long to wait for further edits before a reload. ``max_running_tasks``: how
    many background tasks may run at a time; the others wait for their turn.
    """

    max_iters: int = Field(default=100, ge=1)
    llm_retry_enabled: bool = True
    llm_max_retries: int = Field(default=3, ge=1)
    llm_backoff_base: float = Field(default=1.0, ge=0.1)
    llm_backoff_cap: float = Field(default=10.0, ge=0.5)
    llm_max_concurrent: int = Field(default=10, ge=1)
    llm_max_qpm: int = Field(default=600, ge=0)
    llm_rate_limit_pause: float = Field(default=5.0, ge=1.0)
    llm_rate_limit_jitter: float = Field(default=1.0, ge=0.0)
    llm_acquire_timeout: float = Field(default=300.0, ge=10.0)
    max_input_length: int = Field(default=131072, ge=1000)
    history_max_length: int = Field(default=10000, ge=1000)
    context_compact: ContextCompactConfig = Field(default_factory=ContextCompactConfig)
    tool_result_compact: ToolResultCompactConfig = Field(default_factory=ToolResultCompactConfig)
    memory_summary: MemorySummaryConfig = Field(default_factory=MemorySummaryConfig)
    embedding_config: EmbeddingConfig = Field(default_factory=EmbeddingConfig)
    memory_manager_backend: Literal["remelight"] = "remelight"
    reload_grace_seconds: float | None = Field(default=3600.0, ge=0)
    max_draining: int = Field(default=8, ge=1)
    background_task_timeout_seconds: float = Field(default=3600.0, gt=0)
    max_running_tasks: int = Field(default=32, ge=1)
    reload_settle_seconds: float = Field(default=0.05, ge=0)
