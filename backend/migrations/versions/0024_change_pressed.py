"""The turn whose work the person took as it is"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("change", sa.Column("pressed", sa.Integer(), nullable=False, server_default="0"))
