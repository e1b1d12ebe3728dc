"""Rows of changes: the newest of each session."""

from typing import Any

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork
from mainloop_models.events import Change, ChangeCheck

OPEN = ("open", "merging")
# How a check may stand that has not ended.
GOES_ON = ("queued", "running")
# Checks that a change carries about.
_SHOWN = 3


def find(connection: sa.Connection, session_id: str) -> Row | None:
    return connection.execute(sa.select(t.change).where(t.change.c.session_id == session_id)).first()


def open_of_project(connection: sa.Connection, project_id: str) -> list[Row]:
    """The changes of a project that are open."""
    mine = (t.change.c.project_id == project_id, t.change.c.state.in_(OPEN))
    return list(connection.execute(sa.select(t.change).where(*mine)))


def projects_with_open(connection: sa.Connection) -> set[str]:
    """The projects that have an open change."""
    return set(connection.execute(_with_open).scalars())


def begin(unit: UnitOfWork, session_id: str, project_id: str, nth: int, body: Change) -> None:
    """A change was proposed. It takes the place of the one before, which is over."""
    values = {"project_id": project_id, "nth": nth, "done": "", "repairs": 0, "merge": None, **_of(unit, body)}
    row = upsert(unit.connection, t.change).values(session_id=session_id, **values)
    unit.execute(row.on_conflict_do_update(index_elements=["session_id"], set_=values))


def became(unit: UnitOfWork, session_id: str, body: Change, **more: Any) -> None:
    update(unit, session_id, **_of(unit, body), **more)


def update(unit: UnitOfWork, session_id: str, **values: Any) -> None:
    unit.execute(sa.update(t.change).where(t.change.c.session_id == session_id).values(**values))


def _of(unit: UnitOfWork, body: Change) -> dict[str, Any]:
    return {"state": body.state, "body": body.model_dump(mode="json"), "updated_at": unit.now}


# -- checks ------------------------------------------------------------------------------------------------------
def add_check(unit: UnitOfWork, **values: Any) -> None:
    unit.execute(t.change_check.insert().values(state="queued", created_at=unit.now, **values))


def check(connection: sa.Connection, check_id: str) -> Row | None:
    return connection.execute(sa.select(t.change_check).where(t.change_check.c.id == check_id)).first()


def update_check(unit: UnitOfWork, check_id: str, *which: sa.ColumnElement[bool], **values: Any) -> bool:
    """Whether it was as it had to be."""
    mine = sa.update(t.change_check).where(t.change_check.c.id == check_id, *which).values(**values)
    return unit.execute(mine.returning(t.change_check.c.id)).first() is not None


def move_check(unit: UnitOfWork, check_id: str, old: str, **values: Any) -> bool:
    """The same for one that is in a state; False: it is not any more."""
    return update_check(unit, check_id, t.change_check.c.state == old, **values)


def checks_of(connection: sa.Connection, session_id: str) -> list[ChangeCheck]:
    """The newest of a session, newest first."""
    query = _of_session(session_id).limit(_SHOWN)
    return [ChangeCheck.model_validate(row, from_attributes=True) for row in connection.execute(query)]


def older_checks(connection: sa.Connection, session_id: str) -> list[str]:
    """Those that nobody is shown any more."""
    return [row.id for row in connection.execute(_of_session(session_id).offset(_SHOWN))]


def forget_check(unit: UnitOfWork, check_id: str) -> None:
    unit.execute(sa.delete(t.change_check).where(t.change_check.c.id == check_id))


# Asked again and again, so they are put together once.
_with_open = sa.select(t.change.c.project_id).where(t.change.c.state.in_(OPEN)).distinct()
_going_on = sa.select(t.change_check).where(t.change_check.c.state.in_(GOES_ON)).order_by(t.change_check.c.created_at)


def checks_going_on(connection: sa.Connection) -> list[Row]:
    """Those that wait or run, oldest first."""
    return list(connection.execute(_going_on))


def _of_session(session_id: str) -> sa.Select[Any]:
    newest_first = (t.change_check.c.created_at.desc(), t.change_check.c.id)
    return sa.select(t.change_check).where(t.change_check.c.session_id == session_id).order_by(*newest_first)
