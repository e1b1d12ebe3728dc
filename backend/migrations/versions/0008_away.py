"""What everything had cost when the person last looked"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("device") as batch:
        batch.add_column(sa.Column("looked_micros", sa.BigInteger(), server_default="0", nullable=False))
        batch.add_column(sa.Column("looked_unpriced", sa.BigInteger(), server_default="0", nullable=False))
