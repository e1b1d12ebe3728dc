"""What is to be done at a time"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("instruction", Words(), nullable=False),
        sa.Column("cron", Words(100)),
        sa.Column("next_at", Instant()),
        sa.Column("last_at", Instant()),
        sa.Column("created_at", Instant(), nullable=False),
    )
    op.create_index("ix_schedule_next_at", "schedule", ["next_at"])
