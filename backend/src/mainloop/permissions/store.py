"""What the ceilings count."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from mainloop.db import tables as t

# Why a session is still `starting`: it waits for a slot.
QUEUED: Final = "queued"
# Slots are given out one after the other, or two would get the last one.
SLOTS: Final = 0x6D6C736C
# States that hold a slot: waiting for the person holds none.
ALIVE: Final = ("starting", "working")


def starts_in_turn(connection: sa.Connection, parent: str, turn: int) -> int:
    """Sessions that an agent started in one of its turns."""
    return _count(connection, t.session.c.parent == parent, t.session.c.anchor["turn"].as_integer() == turn)


def starts_since(connection: sa.Connection, moment: datetime) -> int:
    """Sessions that agents started since a moment; those started by hand are not theirs."""
    return _count(connection, t.session.c.created_at > moment, t.session.c.depth > 0)


def alive(connection: sa.Connection) -> int:
    """Sessions that hold a slot. One that waits for a slot holds none."""
    return _count(connection, t.session.c.state.in_(ALIVE), t.session.c.queued_at.is_(None))


def is_anybody_queued(connection: sa.Connection) -> bool:
    """Whether a session waits for a slot."""
    waiting = (t.session.c.state == "starting", t.session.c.queued_at.is_not(None))
    return connection.execute(sa.select(t.session.c.id).where(*waiting).limit(1)).first() is not None


def _count(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(t.session).where(*which)).scalar_one()
