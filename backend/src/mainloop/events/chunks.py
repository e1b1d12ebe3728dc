"""Rows of chunks: the pieces of messages that are still being written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork

_forget: Final = sa.delete(t.chunk).where(t.chunk.c.message_id.in_(sa.bindparam("ids", expanding=True)))


def add(unit: UnitOfWork, rows: Sequence[Mapping[str, object]]) -> None:
    unit.connection.execute(upsert(unit.connection, t.chunk).on_conflict_do_nothing(), rows)


def forget(unit: UnitOfWork, message_ids: Iterable[str]) -> None:
    """Nobody needs the pieces of these messages any more."""
    unit.connection.execute(_forget, {"ids": list(message_ids)})


def forget_what_is_over(unit: UnitOfWork) -> None:
    """Neither a turn that has ended nor a message in the log is half-written: their pieces outlived a server."""
    whole = sa.exists().where(
        t.event.c.thread_id == t.chunk.c.thread_id,
        t.event.c.kind.in_(("message", "reasoning")),
        t.event.c.body.contains(sa.literal('"id":"') + t.chunk.c.message_id + sa.literal('"')),
    )
    unit.execute(sa.delete(t.chunk).where(whole))
    open_turns = sa.exists().where(
        t.agent.c.thread_id == t.chunk.c.thread_id, t.agent.c.turn == t.chunk.c.turn, t.agent.c.working
    )
    unit.execute(sa.delete(t.chunk).where(~open_turns))


def in_order(connection: sa.Connection) -> list[Row]:
    """Every piece, message by message, by its offset."""
    return list(connection.execute(sa.select(t.chunk).order_by(t.chunk.c.message_id, t.chunk.c.offset)))
