"""Rows of schedules. One that is over or cancelled is due no more."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork

# Asked every few seconds.
_DUE: Final = sa.select(t.schedule).where(
    t.schedule.c.next_at <= sa.bindparam("until", type_=t.schedule.c.next_at.type)
)


def due(connection: sa.Connection, until: datetime) -> list[Row]:
    return list(connection.execute(_DUE, {"until": until}))


def listed(connection: sa.Connection) -> list[Row]:
    """Those that are still to come, the next first."""
    query = sa.select(t.schedule).where(t.schedule.c.next_at.is_not(None))
    return list(connection.execute(query.order_by(t.schedule.c.next_at, t.schedule.c.id)))


def find(connection: sa.Connection, ident: str) -> Row | None:
    return connection.execute(sa.select(t.schedule).where(t.schedule.c.id == ident)).first()


def add(unit: UnitOfWork, ident: str, **values: Any) -> bool:
    """Whether it is new."""
    row = upsert(unit.connection, t.schedule).values(id=ident, created_at=unit.now, **values)
    return unit.execute(row.on_conflict_do_nothing()).rowcount > 0


def change(unit: UnitOfWork, ident: str, **values: Any) -> bool:
    """Whether it is still to come."""
    mine = (t.schedule.c.id == ident, t.schedule.c.next_at.is_not(None))
    return unit.execute(sa.update(t.schedule).where(*mine).values(**values)).rowcount > 0


def went_off(unit: UnitOfWork, ident: str, at: datetime, next_at: datetime | None) -> bool:
    """It was due at `at` and is next at `next_at`. Whether nobody has said so before."""
    mine = (t.schedule.c.id == ident, t.schedule.c.next_at == at)
    values = {"last_at": unit.now, "next_at": next_at}
    return unit.execute(sa.update(t.schedule).where(*mine).values(**values)).rowcount > 0


def cancel(unit: UnitOfWork, ident: str) -> bool:
    mine = (t.schedule.c.id == ident, t.schedule.c.next_at.is_not(None))
    return unit.execute(sa.update(t.schedule).where(*mine).values(next_at=None)).rowcount > 0
