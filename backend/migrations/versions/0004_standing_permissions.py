"""Standing permissions"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standing_permission",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tool", sa.String(length=160), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=True),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("confined", sa.Boolean(), nullable=False),
        sa.Column("item_id", sa.String(length=160), nullable=True),
        sa.Column("given_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_for", sa.Text(), server_default="", nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("standing_permission_tool", "standing_permission", ["tool", "expires_at"], unique=False)
    with op.batch_alter_table("item") as batch:
        batch.add_column(sa.Column("pattern", sa.String(length=600), nullable=True))
        batch.add_column(sa.Column("allowed_before", sa.Integer(), server_default="0", nullable=False))
        batch.add_column(sa.Column("standing", sa.JSON(none_as_null=True), nullable=True))
        batch.create_index("item_pattern", ["pattern"], unique=False)
