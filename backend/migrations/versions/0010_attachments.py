"""Files that the person gives with a message"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant, Words

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", Words(64), primary_key=True),
        sa.Column("type", Words(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
    )
    with op.batch_alter_table("message") as batch:
        batch.add_column(sa.Column("attachments", sa.JSON(none_as_null=True), nullable=True))
