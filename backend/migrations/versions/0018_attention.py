"""What reaches the person"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("push_key", Words(), nullable=False, server_default=""))
        batch.add_column(sa.Column("attention", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    op.create_table(
        "attention",
        sa.Column("item_id", Words(160), primary_key=True),
        sa.Column("decisions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("told_at", Instant()),
        sa.Column("reminded", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "notifier",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("kind", Words(32), nullable=False),
        sa.Column("device_id", Words(64)),
        sa.Column("name", Words(128), nullable=False),
        sa.Column("target", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("mobile", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("gone", Words(), nullable=False, server_default=""),
        sa.Column("created_at", Instant(), nullable=False),
    )
    op.create_index("ix_notifier_device_id", "notifier", ["device_id"])
    op.create_table(
        "notification",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("about", Words(16), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    op.create_index("ix_notification_at", "notification", ["at"])
    op.create_table(
        "told",
        sa.Column("item_id", Words(160), primary_key=True),
        sa.Column("notification_id", Words(64), nullable=False),
    )
    op.create_index("ix_told_notification_id", "told", ["notification_id"])
    op.create_table(
        "delivery",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("notification_id", Words(64), nullable=False),
        sa.Column("notifier_id", Words(64), nullable=False),
        sa.Column("state", Words(16), nullable=False),
        sa.Column("why", Words(), nullable=False, server_default=""),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("at", Instant(), nullable=False),
        sa.UniqueConstraint("notification_id", "notifier_id"),
    )
    op.create_index("delivery_waiting", "delivery", ["state", "at"])
