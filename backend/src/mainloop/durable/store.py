"""Rows of phases, and of the servers that carry them out."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork

JUDGE_LOCK: Final = 0x6D61696E  # an advisory lock of ours on PostgreSQL


def add_phase(unit: UnitOfWork, phase_id: str, name: str, subject: str) -> bool:
    """Want a phase; False if it was wanted before."""
    row = upsert(unit.connection, t.phase).values(
        id=phase_id, name=name, subject=subject, state="todo", created_at=unit.now
    )
    return unit.execute(row.on_conflict_do_nothing().returning(t.phase.c.id)).first() is not None


def phase_done(unit: UnitOfWork, phase_id: str) -> bool:
    """A phase was carried out; answers whether others still wait."""
    unit.execute(sa.update(t.phase).where(t.phase.c.id == phase_id).values(state="done"))
    return unit.execute(sa.select(t.phase.c.id).where(t.phase.c.state == "todo").limit(1)).first() is not None


def to_do(connection: sa.Connection, wanted_before: datetime, limit: int) -> list[Row]:
    """Phases that are not done although they were wanted before a moment, oldest first."""
    mine = (t.phase.c.state == "todo", t.phase.c.created_at < wanted_before)
    return list(connection.execute(sa.select(t.phase).where(*mine).order_by(t.phase.c.created_at).limit(limit)))


def subjects_to_do(connection: sa.Connection) -> set[str]:
    """What some phase is still to be carried out for."""
    return set(connection.execute(sa.select(t.phase.c.subject).where(t.phase.c.state == "todo")).scalars())


def last_wanted(connection: sa.Connection, name: str, subject: str) -> datetime | None:
    """When a phase of this name was last wanted for a subject."""
    mine = (t.phase.c.name == name, t.phase.c.subject == subject)
    return connection.execute(sa.select(sa.func.max(t.phase.c.created_at)).where(*mine)).scalar_one()


def forget_done(unit: UnitOfWork, wanted_before: datetime) -> None:
    unit.execute(sa.delete(t.phase).where(t.phase.c.state == "done", t.phase.c.created_at < wanted_before))


def beat(unit: UnitOfWork, executor: str, host: str) -> None:
    """A server lives."""
    seen = _database_clock(unit.connection)
    row = upsert(unit.connection, t.executor).values(id=executor, host=host, seen=seen, dead=False)
    unit.execute(row.on_conflict_do_update(index_elements=["id"], set_={"seen": seen, "dead": False}))


def declare_dead(unit: UnitOfWork, silent_for: float) -> list[str]:
    """Servers that have been silent for so many seconds and were not declared dead before. One judge at a time."""
    if not unit.execute(sa.select(sa.func.pg_try_advisory_xact_lock(JUDGE_LOCK))).scalar_one():
        return []
    silent = (
        sa.update(t.executor)
        .where(t.executor.c.seen < _database_clock(unit.connection) - silent_for, t.executor.c.dead.is_(False))
        .values(dead=True)
        .returning(t.executor.c.id)
    )
    return list(unit.execute(silent).scalars())


def _database_clock(connection: sa.Connection) -> float:
    """Seconds since 1970 by the clock that all servers share."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return float(connection.execute(sa.text("SELECT (julianday('now') - 2440587.5) * 86400.0")).scalar_one())
