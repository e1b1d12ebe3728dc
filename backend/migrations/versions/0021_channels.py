"""What ways to reach the person are for, and how they do"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant

revision = "0021"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("notifier") as batch:
        batch.add_column(sa.Column("kinds", sa.JSON(none_as_null=True)))
        batch.add_column(sa.Column("hours", sa.JSON(none_as_null=True)))
        batch.add_column(sa.Column("failing_since", Instant()))
