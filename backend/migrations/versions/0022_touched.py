"""The files that sessions have changed, so that two that change the same are told of"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Words

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "touched",
        sa.Column("session_id", Words(64), primary_key=True),
        sa.Column("project_id", Words(64), nullable=False, index=True),
        sa.Column("paths", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("said", sa.JSON(none_as_null=True), nullable=False),
    )
