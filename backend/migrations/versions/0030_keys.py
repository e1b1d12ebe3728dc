"""Keys that the person has changed"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("keys", sa.JSON(none_as_null=True)))
