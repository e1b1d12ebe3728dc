"""Waiting is free, status is honest: the queue for slots, what an agent does, and indexes for what is looked at often"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("agent") as batch:
        batch.add_column(sa.Column("record_lost", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column("activity", sa.JSON(none_as_null=True), nullable=True))
        batch.add_column(sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("last_seen", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("session") as batch:
        batch.add_column(sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True))
        batch.drop_column("activity")
        batch.drop_index("session_state")
        batch.create_index("session_state", ["state", "queued_at"], unique=False)
    op.execute("UPDATE session SET queued_at = created_at WHERE state = 'starting' AND reason = 'queued'")
    with op.batch_alter_table("tool_call") as batch:
        batch.add_column(sa.Column("at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("run_open", "run", ["state", "host"], unique=False)
    op.create_index("message_to_do", "message", ["status", "thread_id"], unique=False)
    op.create_index("item_to_do", "item", ["state", "taken", "thread_id"], unique=False)
