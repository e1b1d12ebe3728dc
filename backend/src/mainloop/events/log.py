"""Reading the log: pages of a thread, and everything behind a cursor."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.errors import UnknownThread
from mainloop.events.unit import Written

PAGE = 500


class Event(BaseModel):
    """One row of a thread. Its body's shape follows from `kind`: see the bodies in this document."""

    cursor: str
    thread_id: str
    seq: int
    kind: str
    at: datetime
    body: dict[str, Any]


class Page(BaseModel):
    """A page of one thread, oldest first. `more`: there are further events in the direction that was asked for."""

    events: list[Event]
    more: bool


_columns = (t.event.c.cursor, t.event.c.thread_id, t.event.c.seq, t.event.c.kind, t.event.c.at, t.event.c.body)
# Read again and again, so they are put together once.
_latest = sa.select(t.installation.c.cursor)
_after = (
    sa.select(*_columns)
    .where(t.event.c.cursor > sa.bindparam("after"))
    .order_by(t.event.c.cursor)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def latest_cursor(connection: sa.Connection) -> int:
    """The cursor of the newest event of the installation; 0 when there is none."""
    return connection.execute(_latest).scalar_one()


def frames_after(connection: sa.Connection, cursor: int, limit: int = PAGE) -> list[tuple[int, bytes]]:
    """Up to `limit` events behind `cursor`, each as (cursor, ready bytes of the event stream)."""
    rows = connection.execute(_after, {"after": cursor, "limit": limit})
    return [(row.cursor, frame(row)) for row in rows]


def frame(row: Row | Written) -> bytes:
    """An event as it goes over the wire."""
    return f"event: event\nid: {row.cursor}\ndata: {as_json(row)}\n\n".encode()


def as_json(row: Row | Written) -> str:
    """An event as JSON; its body is stored as JSON already. Ids, kinds and times need no escaping."""
    at = row.at.isoformat().replace("+00:00", "Z")
    return (
        f'{{"cursor":"{row.cursor}","thread_id":"{row.thread_id}","seq":{row.seq},'
        f'"kind":"{row.kind}","at":"{at}","body":{row.body}}}'
    )


def page(
    connection: sa.Connection, thread_id: str, *, after: int | None, before: int | None, limit: int
) -> tuple[list[str], bool]:
    """One page of a thread as JSON events, ascending, and whether more lie beyond it.

    With `after` it begins there; else it ends before `before`, or at the newest event.
    Raises UnknownThread.
    """
    if connection.execute(sa.select(t.thread.c.id).where(t.thread.c.id == thread_id)).first() is None:
        raise UnknownThread(id=thread_id)
    query = sa.select(*_columns).where(t.event.c.thread_id == thread_id).limit(limit + 1)
    if after is not None:
        rows = list(connection.execute(query.where(t.event.c.seq > after).order_by(t.event.c.seq)))
        return [as_json(row) for row in rows[:limit]], len(rows) > limit
    if before is not None:
        query = query.where(t.event.c.seq < before)
    rows = list(connection.execute(query.order_by(t.event.c.seq.desc())))
    return [as_json(row) for row in reversed(rows[:limit])], len(rows) > limit


def history(connection: sa.Connection, thread_id: str, kind: str, ident: str) -> list[tuple[int, dict[str, Any]]]:
    """Every event about one thing, as (cursor, body): in the log's order, which no clock can bend.

    It looks through the whole thread, so it is nothing for what happens often.
    """
    mine = (
        t.event.c.thread_id == thread_id,
        t.event.c.kind == kind,
        t.event.c.body.startswith(f'{{"id":{json.dumps(ident, ensure_ascii=False)}', autoescape=True),
    )
    rows = connection.execute(sa.select(t.event.c.cursor, t.event.c.body).where(*mine).order_by(t.event.c.cursor))
    return [(row.cursor, json.loads(row.body)) for row in rows]


def blob_text(connection: sa.Connection, blob_id: str) -> str | None:
    return connection.execute(sa.select(t.blob.c.text).where(t.blob.c.id == blob_id)).scalar_one_or_none()
