"""Spending"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("thread_id", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=True),
        sa.Column("on_plan", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "run", "turn", "model", "day"),
    )
    op.create_index("usage_day", "usage", ["day"])
    op.create_index("usage_project", "usage", ["project_id", "day"])
    op.create_table(
        "allowance",
        sa.Column("thread_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("left_usd", sa.BigInteger(), nullable=True),
        sa.Column("limit_usd", sa.BigInteger(), nullable=True),
        sa.Column("left_tokens", sa.BigInteger(), nullable=True),
        sa.Column("limit_tokens", sa.BigInteger(), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id"),
    )
    op.create_table(
        "ceiling",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("once", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "scope", "unit", "once"),
    )
    op.create_table(
        "pause",
        sa.Column("thread_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=160), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("thread_id"),
    )
    op.create_index("ix_pause_item_id", "pause", ["item_id"])
    op.create_index("session_created", "session", ["created_at"])
    op.create_index("item_kind", "item", ["kind", "closed_at"])
    # What was known so far: the money of whole sessions, without its tokens, turns and models.
    op.execute(
        sa.text(
            "INSERT INTO usage (thread_id, run, turn, model, day, project_id, input_tokens, output_tokens,"
            " cache_read_tokens, cache_write_tokens, micros, on_plan)"
            " SELECT id, 0, 0, '', substr(cast(updated_at AS varchar(32)), 1, 10), project_id, 0, 0, 0, 0,"
            " cast(round(cost_usd * 1000000) AS bigint), false FROM session WHERE cost_usd > 0"
        )
    )
    with op.batch_alter_table("agent", schema=None) as batch_op:
        batch_op.add_column(sa.Column("context", sa.JSON(), nullable=True))
        batch_op.drop_column("spent_usd")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_column("cost_usd")
