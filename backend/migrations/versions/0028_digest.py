"""When the person is told next what happened, and up to where they were told"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("digest_at", Instant()))
        batch.add_column(sa.Column("digested_at", Instant()))
        batch.add_column(sa.Column("digested_micros", sa.BigInteger(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("digested_unpriced", sa.BigInteger(), nullable=False, server_default="0"))
