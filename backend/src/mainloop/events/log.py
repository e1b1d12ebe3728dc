"""Reading the log: pages of a thread, and everything behind a cursor."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """A page of one thread, oldest first. `more`: there are further events in the direction that was asked for.

    Events are numbered from 1 without gaps, so earlier ones exist where the first is not 1, and later ones where the
    last is not `newest`.
    """

    events: list[Event]
    more: bool
    # The number of the thread's newest event; 0 while there is none.
    newest: int
    # Of each open ask, running call and list of steps in it the newest event, where that lies behind the page.
    later: list[Event]


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


@dataclass(frozen=True)
class Window:
    """Which part of a thread: what follows `after`, what lies before `before`, what lies around `around` or around the
    first event that is not older than `at`; the newest where nothing is said.
    """

    after: int | None = None
    before: int | None = None
    around: int | None = None
    at: datetime | None = None


def page(
    connection: sa.Connection, thread_id: str, window: Window = Window(), *, limit: int
) -> tuple[list[str], bool, int]:
    """One page of a thread as JSON events, ascending; `more` and `newest` of `Page`. Raises UnknownThread.

    It costs the same wherever it lies.
    """
    newest = connection.execute(sa.select(t.thread.c.last_seq).where(t.thread.c.id == thread_id)).scalar()
    if newest is None:
        raise UnknownThread(id=thread_id)
    query = sa.select(*_columns).where(t.event.c.thread_id == thread_id)

    def later(seq: int, count: int) -> list[Any]:
        return list(connection.execute(query.where(t.event.c.seq > seq).order_by(t.event.c.seq).limit(count)))

    def earlier(seq: int, count: int) -> list[Any]:
        rows = connection.execute(query.where(t.event.c.seq < seq).order_by(t.event.c.seq.desc()).limit(count))
        return list(rows)[::-1]

    around = window.around
    if window.at is not None:
        around = _first_at(connection, thread_id, newest, window.at)
    if around is not None:
        around = max(1, min(around, newest))
        rows = earlier(around, limit // 2)
        rows += later(around - 1, limit - len(rows))
        more = bool(rows) and (rows[0].seq > 1 or rows[-1].seq < newest)
    elif window.after is not None:
        rows = later(window.after, limit)
        more = bool(rows) and rows[-1].seq < newest
    else:
        rows = earlier(newest + 1 if window.before is None else window.before, limit)
        more = bool(rows) and rows[0].seq > 1
    return [as_json(row) for row in rows], more, newest


def _first_at(connection: sa.Connection, thread_id: str, newest: int, moment: datetime) -> int:
    """The number of the first event that is not older. Times only grow along a thread, so it is found by halving."""
    at_of = sa.select(t.event.c.at).where(t.event.c.thread_id == thread_id, t.event.c.seq == sa.bindparam("seq"))

    def not_older(seq: int) -> bool:
        return connection.execute(at_of, {"seq": seq}).scalar_one() >= moment

    return bisect_left(range(1, newest + 1), True, key=not_older) + 1


def behind(connection: sa.Connection, thread_id: str, seq: int, far: int, kinds: Sequence[str]) -> Iterator[Row]:
    """The events of these kinds among the `far` ones that follow one."""
    there = (t.event.c.thread_id == thread_id, t.event.c.seq > seq, t.event.c.seq <= seq + far)
    return iter(
        connection.execute(sa.select(*_columns).where(*there, t.event.c.kind.in_(kinds)).order_by(t.event.c.seq))
    )


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
