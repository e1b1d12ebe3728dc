"""What was said can be searched for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from mainloop.conversation import search
from mainloop.db.engine import Words

revision = "0011"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "said",
        sa.Column("cursor", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("thread_id", Words(64), nullable=False),
        sa.Column("object", Words(200), nullable=False),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.UniqueConstraint("thread_id", "object"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX said_by_words ON said USING gin (words)")
    else:
        # Words are ready when they come: whatever is no space belongs to one.
        op.execute(
            "CREATE VIRTUAL TABLE said_words USING fts5"
            "(words, content='said', content_rowid='cursor', tokenize=\"ascii tokenchars ':-'\")"
        )
        for name, when, old, new in (
            ("said_added", "INSERT", False, True),
            ("said_changed", "UPDATE", True, True),
            ("said_gone", "DELETE", True, False),
        ):
            forget = "INSERT INTO said_words(said_words, rowid, words) VALUES ('delete', old.cursor, old.words);"
            take = "INSERT INTO said_words(rowid, words) VALUES (new.cursor, new.words);"
            op.execute(
                f"CREATE TRIGGER {name} AFTER {when} ON said BEGIN {forget if old else ''} {take if new else ''} END"
            )
    # What was there before is found as well.
    search.fill(op.get_bind())
