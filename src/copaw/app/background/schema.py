"""The tables. A change here needs a migration in ``migrations/versions`` and a new :data:`HEAD`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, MetaData, String, Table, Text

HEAD = "0002"
"""The newest migration."""

metadata = MetaData()

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("timeout_s", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("generation", Integer),
    Column("end_reason", String(64)),
    Column("request", Text, nullable=False),
    Column("result", Text),
    Column("owner", String(128), nullable=False),
    Column("heartbeat_at", Double),
    Column("attempt", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("body_hash", String(64), nullable=False),
    Column("on_interrupt", String(16), nullable=False),
    Column("retry_of", String(64)),
    Column("retried_as", String(64)),
    Column("resumes", Boolean, nullable=False),
    Column("parent_id", String(64)),
    Column("chain", Text, nullable=False),
    Column("callback_url", Text),
    Column("callback_state", String(16)),
    Column("callback_attempts", Integer, nullable=False),
    Column("callback_at", Double),
    Column("callback_error", Text),
    Column("events_truncated", Boolean, nullable=False),
    Column("kind", String(16), nullable=False, server_default="run"),
    Column("asker", Text),
    Column("notice_state", String(16)),
    Index("tasks_by_age", "created_at", "id"),
    Index("tasks_by_agent", "agent_id", "created_at", "id"),
    Index("tasks_by_state", "state", "created_at", "id"),
    Index("tasks_by_session", "session_id", "created_at", "id"),
    Index("tasks_by_callback", "callback_state"),
    Index("tasks_by_notice", "notice_state"),
    Index("tasks_by_key", "idempotency_key", unique=True),
)

task_events = Table(
    "task_events",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    Column("frames", Text, nullable=False),
)
