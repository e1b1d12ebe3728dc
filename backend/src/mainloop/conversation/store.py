"""Rows of the installation and its threads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from mainloop.conversation.schemas import Mark
from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork
from mainloop.lines import brief
from mainloop_models.events import DigestLine, SessionResult

# Names of a kind in a digest, what is to come next of a kind, and characters of one.
IN_DIGEST: Final = 8
NEXT: Final = 3
LONGEST_LINE: Final = 160


def set_demo(unit: UnitOfWork, demo: bool) -> None:
    unit.execute(sa.update(t.installation).values(demo=demo))


def thread_exists(connection: sa.Connection, thread_id: str) -> bool:
    return connection.execute(sa.select(t.thread.c.id).where(t.thread.c.id == thread_id)).first() is not None


def keys(connection: sa.Connection) -> dict[str, str] | None:
    """Which keys of the page the person has changed; None: they never have."""
    return connection.execute(sa.select(t.installation.c["keys"])).scalar_one()


def set_keys(unit: UnitOfWork, keys: dict[str, str]) -> None:
    unit.execute(sa.update(t.installation).values(keys=keys))


def marks(connection: sa.Connection, *thread_ids: str) -> list[Mark]:
    """How far threads were read."""
    columns = (t.thread.c.id, t.thread.c.last_read, t.thread.c.last_told, t.thread.c.replies)
    rows = connection.execute(sa.select(*columns).where(t.thread.c.id.in_(thread_ids)))
    return [Mark(thread_id=row.id, read=row.last_read, told=row.last_told, replies=row.replies) for row in rows]


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
    merged: int
    standing: int
    # Of those that wait, how many came since.
    asked: int
    waiting: int


def since(connection: sa.Connection, moment: datetime) -> Happened:
    """What happened since a moment."""
    newest = sa.func.max(t.result.c.at)
    results = sa.select(t.result.c.session_id).where(t.result.c.at > moment).group_by(t.result.c.session_id)
    failed = _failed_since(moment)
    standing = (t.item.c.standing.is_not(None), t.item.c.closed_at > moment)
    waiting = (t.item.c.state == "open", t.item.c.snoozed_at.is_(None))

    def count(table: sa.Table, *which: sa.ColumnElement[bool]) -> int:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*which)).scalar_one()

    return Happened(
        sessions=list(connection.execute(results.order_by(newest.desc(), t.result.c.session_id)).scalars()),
        failed=count(t.session, *failed),
        merged=count(t.change, *_merged_since(moment)),
        standing=count(t.item, *standing),
        asked=count(t.item, *waiting, t.item.c.opened_at > moment),
        waiting=count(t.item, *waiting),
    )


def _failed_since(moment: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return t.session.c.state == "failed", t.session.c.updated_at > moment


def _merged_since(moment: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return t.change.c.state == "merged", t.change.c.updated_at > moment


class Lines(NamedTuple):
    """What a digest names: the first of each."""

    delivered_lines: list[DigestLine]
    failed_lines: list[DigestLine]
    merged_lines: list[DigestLine]
    waiting_lines: list[DigestLine]
    next_lines: list[DigestLine]


def lines(connection: sa.Connection, moment: datetime, happened: Happened) -> Lines:
    """The names of what happened since a moment, of what waits and of what comes next."""
    s, item = t.session.c, t.item.c

    def of(query: sa.Select[*tuple[Any, ...]]) -> list[Row]:
        return list(connection.execute(query.limit(IN_DIGEST)))

    shown = happened.sessions[:IN_DIGEST]
    results = {row.id: row for row in of(sa.select(s.id, s.handle, s.result).where(s.id.in_(shown)))}
    failed = of(sa.select(s.id, s.handle, s.reason).where(*_failed_since(moment)).order_by(s.updated_at.desc(), s.id))
    merged = of(
        sa.select(s.id, s.handle, s.title)
        .join(t.change, t.change.c.session_id == s.id)
        .where(*_merged_since(moment))
        .order_by(t.change.c.updated_at.desc(), s.id)
    )
    waiting = of(
        sa.select(item.session_id, item.kind, item.title, s.handle)
        .outerjoin(t.session, s.id == item.session_id)
        .where(item.state == "open", item.snoozed_at.is_(None))
        .order_by(item.opened_at, item.id)
    )
    scheduled = of(
        sa.select(t.schedule.c.instruction, t.schedule.c.next_at)
        .where(t.schedule.c.next_at.is_not(None))
        .order_by(t.schedule.c.next_at, t.schedule.c.id)
    )
    queued = of(
        sa.select(s.id, s.handle, s.title)
        .where(s.state == "starting", s.queued_at.is_not(None))
        .order_by(s.queued_at, s.id)
    )
    return Lines(
        delivered_lines=[
            _line(row.handle, brief(SessionResult.model_validate(row.result).text) if row.result else "", ident)
            for ident in shown
            if (row := results.get(ident)) is not None
        ],
        failed_lines=[_line(row.handle, row.reason, row.id) for row in failed],
        merged_lines=[_line(row.handle, row.title, row.id) for row in merged],
        # What somebody asked to be told begins with the name.
        waiting_lines=[
            _line("" if row.kind == "watch" else row.handle or "", row.title, row.session_id) for row in waiting
        ],
        next_lines=[
            *(_line(row.handle, row.title, row.id) for row in queued[:NEXT]),
            *(_line("", row.instruction, None, row.next_at) for row in scheduled[:NEXT]),
        ],
    )


def _line(name: str, said: str, session_id: str | None, at: datetime | None = None) -> DigestLine:
    """A name and the first line of what is said of it."""
    first = said.strip().split("\n", 1)[0][:LONGEST_LINE]
    return DigestLine(text=": ".join(part for part in (name, first) if part), session_id=session_id, at=at)


class Told(NamedTuple):
    """Up to when the person knows what happened, and what all had cost by then."""

    at: datetime
    micros: int
    unpriced: int


def last_digest(connection: sa.Connection) -> Told | None:
    """Up to where a digest has told them; None: none ever did."""
    c = t.installation.c
    row = connection.execute(sa.select(c.digested_at, c.digested_micros, c.digested_unpriced)).one()
    return None if row.digested_at is None else Told(*row)


def digested(unit: UnitOfWork, micros: int, unpriced: int) -> None:
    values = {"digested_at": unit.now, "digested_micros": micros, "digested_unpriced": unpriced}
    unit.execute(sa.update(t.installation).values(**values))


def last_seq(connection: sa.Connection, thread_id: str) -> int:
    return connection.execute(sa.select(t.thread.c.last_seq).where(t.thread.c.id == thread_id)).scalar_one()
