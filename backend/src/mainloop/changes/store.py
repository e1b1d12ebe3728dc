"""Rows of changes: the newest of each session."""

from typing import Any

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork
from mainloop_models.events import Change

OPEN = ("open", "merging")


def find(connection: sa.Connection, session_id: str) -> Row | None:
    return connection.execute(sa.select(t.change).where(t.change.c.session_id == session_id)).first()


def open_of_project(connection: sa.Connection, project_id: str) -> list[str]:
    """The sessions of a project whose changes are open."""
    mine = (t.change.c.project_id == project_id, t.change.c.state.in_(OPEN))
    return list(connection.execute(sa.select(t.change.c.session_id).where(*mine)).scalars())


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
