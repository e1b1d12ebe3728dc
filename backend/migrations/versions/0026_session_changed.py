"""How much a session has changed by the end of its last turn"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("changed", sa.JSON(none_as_null=True)))
