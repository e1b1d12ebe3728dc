"""The home that the files of a database lie in"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Words

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("home", Words(64), nullable=True))
        batch.add_column(sa.Column("home_place", Words(), server_default="", nullable=False))
