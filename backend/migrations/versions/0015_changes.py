"""The change of a session: what it wants to bring into its project"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("session_id", Words(64), primary_key=True),
        sa.Column("project_id", Words(64), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("state", Words(16), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("merge", sa.JSON(none_as_null=True)),
        sa.Column("done", Words(), nullable=False, server_default=""),
        sa.Column("repairs", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("updated_at", Instant(), nullable=False),
    )
    op.create_index("change_open", "change", ["project_id", "state"])
