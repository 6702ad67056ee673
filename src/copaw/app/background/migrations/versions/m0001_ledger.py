"""The task ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(64), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("agent_id", "session_id", "user_id", "channel")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("timeout_s", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("generation", sa.Integer),
        sa.Column("end_reason", sa.String(64)),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("heartbeat_at", sa.Double),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("on_interrupt", sa.String(16), nullable=False),
        sa.Column("retry_of", sa.String(64)),
        sa.Column("retried_as", sa.String(64)),
        sa.Column("resumes", sa.Boolean, nullable=False),
        sa.Column("parent_id", sa.String(64)),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("callback_url", sa.Text),
        sa.Column("callback_state", sa.String(16)),
        sa.Column("callback_attempts", sa.Integer, nullable=False),
        sa.Column("callback_at", sa.Double),
        sa.Column("callback_error", sa.Text),
        sa.Column("events_truncated", sa.Boolean, nullable=False),
    )
    for name, first in (("agent", "agent_id"), ("state", "state"), ("session", "session_id")):
        op.create_index(f"tasks_by_{name}", "tasks", [first, "created_at", "id"])
    op.create_index("tasks_by_age", "tasks", ["created_at", "id"])
    op.create_index("tasks_by_callback", "tasks", ["callback_state"])
    op.create_index("tasks_by_key", "tasks", ["idempotency_key"], unique=True)
    op.create_table(
        "task_events",
        sa.Column("task_id", sa.String(64), primary_key=True),
        sa.Column("first", sa.Integer, primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("frames", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove both tables and everything in them."""
    op.drop_table("task_events")
    op.drop_table("tasks")
