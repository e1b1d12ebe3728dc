"""Settings of projects, and whether a session's workspace was set up"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Words

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("project") as batch:
        batch.add_column(sa.Column("settings", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("progress", Words(), nullable=False, server_default=""))
    with op.batch_alter_table("session") as batch:
        batch.add_column(sa.Column("set_up", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Workspaces that are there already work without.
    op.execute(sa.text("UPDATE session SET set_up = true WHERE branch IS NOT NULL"))
