"""What the person wants to be told of a session"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("watches", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
