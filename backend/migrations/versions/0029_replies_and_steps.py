"""How many messages a thread's agent has written, and how far it is with its steps"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

COUNT = """
UPDATE thread SET replies = (
    SELECT count(*) FROM event
    WHERE event.thread_id = thread.id AND event.kind = 'message' AND event.body LIKE '%"role":"assistant"%'
)
"""


def upgrade() -> None:
    op.add_column("thread", sa.Column("replies", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("steps", sa.JSON(none_as_null=True)))
    op.execute(sa.text(COUNT))
