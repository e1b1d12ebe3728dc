"""Which sessions another one begins after"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Instant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("held_at", Instant()))
    op.add_column("session", sa.Column("after", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
