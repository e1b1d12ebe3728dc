"""How far the person has read"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("thread") as batch:
        batch.add_column(sa.Column("last_told", sa.BigInteger(), server_default="0", nullable=False))
        batch.add_column(sa.Column("last_read", sa.BigInteger(), server_default="0", nullable=False))
    # What was there before is not new.
    op.execute("UPDATE thread SET last_read = last_seq")
