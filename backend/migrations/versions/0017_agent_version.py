"""Which build of its program an agent is"""

import sqlalchemy as sa
from alembic import op

from mainloop.db.engine import Words

revision = "0017"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("run") as batch:
        batch.add_column(sa.Column("agent_version", Words(64), nullable=False, server_default=""))
