"""Rows of the installation and its threads."""

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import upsert
from mainloop.events.unit import UnitOfWork


def ensure_installation(unit: UnitOfWork, ident: str) -> None:
    row = upsert(unit.connection, t.installation).values(one=1, id=ident, cursor=0, created_at=unit.now)
    unit.execute(row.on_conflict_do_nothing())


def set_demo(unit: UnitOfWork, demo: bool) -> None:
    unit.execute(sa.update(t.installation).values(demo=demo))


def thread_exists(connection: sa.Connection, thread_id: str) -> bool:
    return connection.execute(sa.select(t.thread.c.id).where(t.thread.c.id == thread_id)).first() is not None


def last_seq(connection: sa.Connection, thread_id: str) -> int:
    return connection.execute(sa.select(t.thread.c.last_seq).where(t.thread.c.id == thread_id)).scalar_one()
