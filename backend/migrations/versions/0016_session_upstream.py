"""The branch of the project that a session began at"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Words

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("session") as batch:
        batch.add_column(sa.Column("upstream", Words()))
