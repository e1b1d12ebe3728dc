"""Runs of a project's tests on the commits of changes"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_check",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("session_id", Words(64), nullable=False),
        sa.Column("name", Words(64), nullable=False),
        sa.Column("commit", Words(64), nullable=False),
        sa.Column("state", Words(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("host", Words(255), nullable=False, server_default=""),
        sa.Column("excerpt", Words(), nullable=False, server_default=""),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant()),
        sa.Column("ended_at", Instant()),
    )
    op.create_index("change_check_state", "change_check", ["state", "created_at"])
    op.create_index("change_check_session", "change_check", ["session_id", "created_at"])
