"""What the ceilings count, and rows of standing permissions."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork

# Why a session is still `starting`: it waits for a slot.
QUEUED: Final = "queued"
# Slots are given out one after the other, or two would get the last one.
SLOTS: Final = 0x6D6C736C
# States that hold a slot: waiting for the person holds none.
ALIVE: Final = ("starting", "working")


# Looked at after every event, so it is put together once.
_starts_since: Final = (
    sa.select(sa.func.count())
    .select_from(t.session)
    .where(t.session.c.created_at > sa.bindparam("since", type_=t.session.c.created_at.type), t.session.c.depth > 0)
)


def starts_in_turn(connection: sa.Connection, parent: str, turn: int) -> int:
    """Sessions that an agent started in one of its turns."""
    return _count(connection, t.session.c.parent == parent, t.session.c.anchor["turn"].as_integer() == turn)


def starts_since(connection: sa.Connection, moment: datetime) -> int:
    """Sessions that agents started since a moment; those started by hand are not theirs."""
    return connection.execute(_starts_since, {"since": moment}).scalar_one()


def starts_allowed_at(connection: sa.Connection, item: str, since: datetime) -> datetime | None:
    """When the person last let agents go on starting sessions, since a moment."""
    query = sa.select(sa.func.max(t.item.c.closed_at)).where(*_decided(item, "raise_once", since))
    return connection.execute(query).scalar()


def _decided(item: str, decision: str, since: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    lately = (t.item.c.kind == "ceiling", t.item.c.closed_at > since)
    return (*lately, t.item.c.id.startswith(item), t.item.c.answer["decision"].as_string() == decision)


def is_starting_stopped(connection: sa.Connection, item: str, since: datetime) -> bool:
    """Whether the person said since a moment that agents may start none."""
    return connection.execute(sa.select(t.item.c.id).where(*_decided(item, "stop", since))).first() is not None


def is_asked_about_starts(connection: sa.Connection, item: str) -> bool:
    """Whether the person is asked right now."""
    asked = (t.item.c.state == "open", t.item.c.kind == "ceiling", t.item.c.id.startswith(item))
    return connection.execute(sa.select(t.item.c.id).where(*asked)).first() is not None


def failed_at_once(connection: sa.Connection, since: datetime, number: int) -> bool:
    """Whether the newest so many sessions that agents started since a moment failed before their first turn."""
    query = (
        sa.select(t.session.c.state, t.agent.c.turn)
        .join(t.agent, t.agent.c.thread_id == t.session.c.id)
        .where(t.session.c.created_at > since, t.session.c.depth > 0)
        .order_by(t.session.c.created_at.desc())
        .limit(number)
    )
    rows = connection.execute(query).all()
    return len(rows) == number and all(row.state == "failed" and row.turn == 0 for row in rows)


def alive(connection: sa.Connection) -> int:
    """Sessions that hold a slot. One that waits for a slot, or for other sessions, holds none."""
    begun = (t.session.c.queued_at.is_(None), t.session.c.held_at.is_(None))
    return _count(connection, t.session.c.state.in_(ALIVE), *begun)


def is_anybody_queued(connection: sa.Connection) -> bool:
    """Whether a session waits for a slot."""
    waiting = (t.session.c.state == "starting", t.session.c.queued_at.is_not(None))
    return connection.execute(sa.select(t.session.c.id).where(*waiting).limit(1)).first() is not None


def _count(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(t.session).where(*which)).scalar_one()


# ---- standing permissions -------------------------------------------------------------------------------------
_P: Final = t.standing_permission
# Asks that are looked through for what a pattern would have answered.
PAST: Final = 1000


def session(connection: sa.Connection, session_id: str) -> Row | None:
    """What a permission has to know of a session: id, project_id, confined."""
    columns = (t.session.c.id, t.session.c.project_id, t.session.c.confined)
    return connection.execute(sa.select(*columns).where(t.session.c.id == session_id)).first()


def any_session_of(connection: sa.Connection, project_id: str) -> Row:
    """What stands for all sessions of a project: inside a sandbox where every one of them was."""
    columns = (sa.null().label("id"), sa.literal(project_id).label("project_id"))
    confined = ~sa.exists().where(t.session.c.project_id == project_id, t.session.c.confined.is_(False))
    return connection.execute(sa.select(*columns, confined.label("confined"))).one()


def _in_force(moment: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_P.c.revoked_at.is_(None), _P.c.expires_at > moment)


def in_force(connection: sa.Connection, moment: datetime, tool: str, of: Row) -> list[Row]:
    """Permissions for a tool that hold in a session now, oldest first."""
    here = sa.or_(
        sa.and_(_P.c.scope == "session", _P.c.session_id == of.id),
        sa.and_(_P.c.scope == "project", _P.c.project_id == of.project_id),
    )
    fits = [_P.c.tool == tool, here, _in_force(moment)]
    if not of.confined:
        fits.append(_P.c.confined.is_(False))
    return list(connection.execute(sa.select(_P).where(*fits).order_by(_P.c.created_at, _P.c.id)))


def hold(unit: UnitOfWork, ids: set[str]) -> bool:
    """Keep permissions from being revoked until the transaction ends; False if one is not in force any more."""
    mine = sa.select(_P.c.id).where(_P.c.id.in_(ids), _in_force(unit.now)).order_by(_P.c.id).with_for_update()
    return len(unit.execute(mine).all()) == len(ids)


def use(unit: UnitOfWork, permission_id: str, used_for: str) -> Row:
    """Count that a permission answered."""
    values = {"used": _P.c.used + 1, "used_at": unit.now, "used_for": used_for}
    return unit.execute(sa.update(_P).where(_P.c.id == permission_id).values(**values).returning(_P)).one()


def give(unit: UnitOfWork, **values: Any) -> None:
    unit.execute(_P.insert().values(created_at=unit.now, **values))


def revoke(unit: UnitOfWork, permission_id: str) -> bool:
    """Take a permission back; False if there is none. One that was taken back stays so."""
    moment = sa.func.coalesce(_P.c.revoked_at, unit.now)
    row = sa.update(_P).where(_P.c.id == permission_id).values(revoked_at=moment).returning(_P.c.id)
    return unit.execute(row).first() is not None


def permissions(connection: sa.Connection, *ids: str) -> list[Row]:
    """Permissions with the names of their session and project, newest first; all, or these."""
    named = _P.outerjoin(t.session, t.session.c.id == _P.c.session_id)
    named = named.outerjoin(t.project, t.project.c.id == _P.c.project_id)
    names = (t.session.c.handle.label("session"), t.project.c.name.label("project"))
    found = sa.select(_P, *names).select_from(named).order_by(_P.c.created_at.desc(), _P.c.id)
    return list(connection.execute(found.where(_P.c.id.in_(ids)) if ids else found))


def _same_work(of: Row) -> sa.ColumnElement[bool]:
    """Items of the sessions of a project, or of the one session that has none."""
    if of.project_id is None:
        return t.item.c.session_id == of.id
    return t.item.c.session_id.in_(sa.select(t.session.c.id).where(t.session.c.project_id == of.project_id))


def allowed_before(connection: sa.Connection, of: Row, pattern: str, but: str) -> int:
    """How often the person allowed what suggests this pattern, this item not counted."""
    said = t.item.c.answer["decision"].as_string() == "allow"
    mine = (t.item.c.pattern == pattern, t.item.c.state == "answered", t.item.c.standing.is_(None), t.item.c.id != but)
    found = sa.select(sa.func.count()).select_from(t.item).where(*mine, said, _same_work(of))
    return connection.execute(found).scalar_one()


def asked_before(connection: sa.Connection, of: Row, but: str = "") -> list[Row]:
    """Permissions that were asked in the same work and are decided or closed, newest first: ask, answer, opened_at."""
    columns = (t.item.c.ask, t.item.c.answer, t.item.c.opened_at)
    mine = (t.item.c.kind == "permission", t.item.c.state != "open", t.item.c.id != but, _same_work(of))
    newest = sa.select(*columns).where(*mine).order_by(t.item.c.opened_at.desc(), t.item.c.id).limit(PAST)
    return list(connection.execute(newest))


def asked_now(connection: sa.Connection, of: Row, but: str = "") -> list[Row]:
    """Permissions of the same work that wait for the person, oldest first: id, ask."""
    mine = (t.item.c.kind == "permission", t.item.c.state == "open", t.item.c.id != but, _same_work(of))
    waiting = sa.select(t.item.c.id, t.item.c.ask).where(*mine).order_by(t.item.c.opened_at, t.item.c.id).limit(PAST)
    return list(connection.execute(waiting))


def reach(connection: sa.Connection, permission_id: str) -> Row | None:
    """Where a permission holds, as `asked_now` wants it; None where there is no such permission."""
    columns = (_P.c.session_id.label("id"), _P.c.project_id.label("project_id"))
    return connection.execute(sa.select(*columns).where(_P.c.id == permission_id)).first()


def item(connection: sa.Connection, item_id: str) -> Row | None:
    return connection.execute(sa.select(t.item).where(t.item.c.id == item_id)).first()
