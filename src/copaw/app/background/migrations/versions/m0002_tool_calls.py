"""Tool calls as tasks, and who is told of a task's end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Every task so far was the run of a request."""
    op.add_column("tasks", sa.Column("kind", sa.String(16), nullable=False, server_default="run"))
    op.add_column("tasks", sa.Column("asker", sa.Text))
    op.add_column("tasks", sa.Column("notice_state", sa.String(16)))
    op.create_index("tasks_by_notice", "tasks", ["notice_state"])


def downgrade() -> None:
    """Forget the difference."""
    op.drop_index("tasks_by_notice", "tasks")
    for name in ("notice_state", "asker", "kind"):
        op.drop_column("tasks", name)
