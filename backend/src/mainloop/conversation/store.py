"""Rows of the installation and its threads."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mainloop.conversation.schemas import Mark
from mainloop.db import tables as t
from mainloop.events.unit import UnitOfWork


def set_demo(unit: UnitOfWork, demo: bool) -> None:
    unit.execute(sa.update(t.installation).values(demo=demo))


def thread_exists(connection: sa.Connection, thread_id: str) -> bool:
    return connection.execute(sa.select(t.thread.c.id).where(t.thread.c.id == thread_id)).first() is not None


def marks(connection: sa.Connection, *thread_ids: str) -> list[Mark]:
    """How far threads were read."""
    columns = (t.thread.c.id, t.thread.c.last_read, t.thread.c.last_told)
    rows = connection.execute(sa.select(*columns).where(t.thread.c.id.in_(thread_ids)))
    return [Mark(thread_id=row.id, read=row.last_read, told=row.last_told) for row in rows]


def read(unit: UnitOfWork, thread_id: str, seq: int) -> bool:
    """A thread was read up to an event; False if it was before. No further than there is something to read."""
    end = sa.case((t.thread.c.last_seq < seq, t.thread.c.last_seq), else_=seq)
    forward = (t.thread.c.id == thread_id, t.thread.c.last_read < end)
    return unit.execute(sa.update(t.thread).where(*forward).values(last_read=end)).rowcount > 0


def unread(unit: UnitOfWork, thread_id: str, seq: int) -> bool:
    """What follows an event is unread again; False if it is so already."""
    back = (t.thread.c.id == thread_id, t.thread.c.last_read > seq)
    return unit.execute(sa.update(t.thread).where(*back).values(last_read=seq)).rowcount > 0


@dataclass(frozen=True)
class Happened:
    """What happened since a moment, and what waits now."""

    # That delivered a result, the newest first.
    sessions: list[str]
    failed: int
    standing: int
    # Of those that wait, how many came since.
    asked: int
    waiting: int


def since(connection: sa.Connection, moment: datetime) -> Happened:
    """What happened since a moment."""
    newest = sa.func.max(t.result.c.at)
    results = sa.select(t.result.c.session_id).where(t.result.c.at > moment).group_by(t.result.c.session_id)
    failed = (t.session.c.state == "failed", t.session.c.updated_at > moment)
    standing = (t.item.c.standing.is_not(None), t.item.c.closed_at > moment)
    waiting = (t.item.c.state == "open", t.item.c.snoozed_at.is_(None))

    def count(table: sa.Table, *which: sa.ColumnElement[bool]) -> int:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*which)).scalar_one()

    return Happened(
        sessions=list(connection.execute(results.order_by(newest.desc(), t.result.c.session_id)).scalars()),
        failed=count(t.session, *failed),
        standing=count(t.item, *standing),
        asked=count(t.item, *waiting, t.item.c.opened_at > moment),
        waiting=count(t.item, *waiting),
    )


def last_seq(connection: sa.Connection, thread_id: str) -> int:
    return connection.execute(sa.select(t.thread.c.last_seq).where(t.thread.c.id == thread_id)).scalar_one()
