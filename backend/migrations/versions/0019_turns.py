"""What lay in a workspace at the end of each turn, and sessions that branched off one"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_turn",
        sa.Column("session_id", Words(64), primary_key=True),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", Words(16), nullable=False),
        sa.Column("head", Words(64)),
        sa.Column("tree", Words(64)),
        sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("why", Words(), nullable=False, server_default=""),
        sa.Column("at", Instant(), nullable=False),
    )
    with op.batch_alter_table("agent") as batch:
        batch.add_column(sa.Column("fork", sa.JSON(none_as_null=True)))
